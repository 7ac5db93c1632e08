//! What the store knows of a message, put together from its parts.

use bytes::Bytes;
use towpath_core::life::Counters;
use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, AttemptOutcome, Message, Record, ResultRecord};
use towpath_core::{FailReason, MessageId, Payload, State, Timestamp};

use super::attempts;
use super::body::{self, Names};
use super::bytes::{Damaged, Reader, text};

/// What a message has once it is more than submitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct More {
    pub(super) counters: Counters,
    updated_at: Timestamp,
    due_at: Timestamp,
    expires_at: Option<Timestamp>,
}

pub(super) fn read_more(bytes: Bytes) -> Result<More, Damaged> {
    let mut reader = Reader::new(bytes);
    Ok(More {
        counters: Counters {
            claims: reader.u32()?,
            retries: reader.u32()?,
            losses: reader.u32()?,
            strays: reader.u32()?,
            snoozes: reader.u32()?,
        },
        updated_at: reader.time()?,
        due_at: reader.time()?,
        expires_at: reader.maybe_time()?.filter(|time| time.as_millis() > 0),
    })
}

/// A value with its codec's name before it.
pub(super) fn read_value(bytes: Bytes, names: &mut Names) -> Result<Payload, Damaged> {
    let mut reader = Reader::new(bytes);
    let codec = names.codec(&reader.short()?)?;
    Ok(Payload::new(codec, reader.rest()))
}

/// How a message ended.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) at: Timestamp,
    kept_until: Timestamp,
    pub(super) end: End,
}

#[derive(Debug, Clone)]
pub(super) enum End {
    Succeeded {
        claims: u32,
        attempt: Attempt,
        result: Kept,
    },
    Failed(FailReason),
    Revoked,
}

/// What is left of a result.
#[derive(Debug, Clone)]
pub(super) enum Kept {
    None,
    TooLarge(usize),
    Inline(Bytes),
    Apart(usize),
    Taken,
}

pub(super) fn read_done(bytes: Bytes) -> Result<Done, Damaged> {
    let mut reader = Reader::new(bytes);
    let state = reader.u8()?;
    let (at, kept_until) = (reader.time()?, reader.time()?);
    let end = match state {
        b'S' => read_success(at, reader)?,
        b'F' => End::Failed(read_reason(reader.u8()?)?),
        b'R' => End::Revoked,
        _ => return Err(Damaged("ended in an unknown way")),
    };
    Ok(Done {
        at,
        kept_until,
        end,
    })
}

fn read_success(at: Timestamp, mut reader: Reader) -> Result<End, Damaged> {
    let worker = text(&reader.medium()?)?.to_owned();
    let claims = reader.u32()?;
    let started_at = reader.maybe_time()?;
    let result = match reader.u8()? {
        0 => Kept::None,
        1 => Kept::TooLarge(reader.size()?),
        2 => Kept::Inline(reader.rest()),
        3 => Kept::Apart(reader.size()?),
        4 => Kept::Taken,
        _ => return Err(Damaged("has an unknown kind of result")),
    };
    let attempt = Attempt {
        claims,
        worker,
        started_at,
        ended_at: at,
        outcome: AttemptOutcome::Done,
        error: None,
    };
    Ok(End::Succeeded {
        claims,
        attempt,
        result,
    })
}

/// The reasons by the letter that stands for each, here and in the scripts.
pub(super) fn reason_letter(reason: FailReason) -> u8 {
    match reason {
        FailReason::Exhausted => b'e',
        FailReason::Rejected => b'j',
        FailReason::Lost => b'l',
        FailReason::Expired => b'x',
    }
}

fn read_reason(letter: u8) -> Result<FailReason, Damaged> {
    FailReason::ALL
        .into_iter()
        .find(|reason| reason_letter(*reason) == letter)
        .ok_or(Damaged("failed for an unknown reason"))
}

/// All that the store has of one message, as it was read.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) body: Bytes,
    pub(super) more: Option<Bytes>,
    pub(super) attempts: Option<Bytes>,
    pub(super) saved: Option<Bytes>,
    pub(super) details: Option<Bytes>,
    pub(super) held: Option<Bytes>,
    pub(super) done: Option<Bytes>,
    pub(super) scheduled: Option<i64>,
    pub(super) worker: Option<Bytes>,
    pub(super) paused: bool,
}

/// The message that a worker is handed: `more` is what was before its claim.
pub(super) fn handed_out(
    id: MessageId,
    body: Bytes,
    more: Option<Bytes>,
    saved: Option<Bytes>,
    names: &mut Names,
) -> Result<Message, Damaged> {
    let (draft, submitted_at) = body::decode(id, body, names)?;
    let mut counters = match more {
        Some(more) => read_more(more)?.counters,
        None => Counters::default(),
    };
    counters.claims = counters.claims.saturating_add(1);
    Ok(Message {
        draft,
        counters,
        submitted_at,
        saved: saved.map(|saved| read_value(saved, names)).transpose()?,
    })
}

pub(super) fn put_together(
    id: MessageId,
    parts: Parts,
    names: &mut Names,
) -> Result<Record, Damaged> {
    let (draft, submitted_at) = body::decode(id, parts.body, names)?;
    let more = parts.more.map(read_more).transpose()?;
    let done = parts.done.map(read_done).transpose()?;
    let hold = parts.held.map(read_hold).transpose()?;
    let expires_in = draft.options.expires_in;
    let worker = parts.worker.map(|name| text(&name).map(str::to_owned));
    let saved = parts.saved.map(|saved| read_value(saved, names));
    let state = match (&done, &hold, parts.scheduled) {
        (Some(done), ..) => done.end.state(),
        (None, Some(_), _) => State::Running,
        (None, None, Some(_)) => State::Scheduled,
        (None, None, None) => State::Ready,
    };
    let mut record = Record {
        message: Message {
            draft,
            counters: more.map(|more| more.counters).unwrap_or_default(),
            submitted_at,
            saved: saved.transpose()?,
        },
        state,
        reason: None,
        updated_at: more.map_or(submitted_at, |more| more.updated_at),
        due_at: more.map_or(submitted_at, |more| more.due_at),
        expires_at: match &more {
            Some(more) => more.expires_at,
            None => expires_in.map(|expires_in| submitted_at.after(expires_in)),
        },
        finished_at: None,
        kept_until: None,
        worker: worker.transpose()?,
        paused: parts.paused && matches!(state, State::Scheduled | State::Ready),
        result: ResultRecord::None,
        attempts: attempts::read(parts.attempts)?,
        details: parts.details.map(read_details).transpose()?,
    };
    match (done, hold, parts.scheduled) {
        (Some(done), ..) => add_end(&mut record, done),
        (None, Some(hold), _) => {
            record.message.counters.claims = hold.claims;
            record.updated_at = hold.claimed_at;
        }
        (None, None, Some(due)) => record.due_at = Timestamp::from_millis(due),
        (None, None, None) => {}
    }
    Ok(record)
}

/// What is known of a message since it ended.
fn add_end(record: &mut Record, done: Done) {
    record.updated_at = done.at;
    record.finished_at = Some(done.at);
    record.kept_until = Some(done.kept_until);
    match done.end {
        End::Succeeded {
            claims,
            attempt,
            result,
        } => {
            record.message.counters.claims = claims;
            record.attempts.push(attempt);
            let first = record.attempts.len().saturating_sub(ATTEMPTS_KEPT);
            record.attempts.drain(..first);
            record.result = result_record(&result);
        }
        End::Failed(reason) => record.reason = Some(reason),
        End::Revoked => {}
    }
}

impl End {
    fn state(&self) -> State {
        match self {
            End::Succeeded { .. } => State::Succeeded,
            End::Failed(_) => State::Failed,
            End::Revoked => State::Revoked,
        }
    }
}

struct Hold {
    claims: u32,
    claimed_at: Timestamp,
}

fn read_hold(bytes: Bytes) -> Result<Hold, Damaged> {
    let mut reader = Reader::new(bytes);
    let claims = reader.u32()?;
    let _incarnation = reader.id()?;
    Ok(Hold {
        claims,
        claimed_at: reader.time()?,
    })
}

fn read_details(bytes: Bytes) -> Result<serde_json::Value, Damaged> {
    let mut reader = Reader::new(bytes);
    let _how_often_set = reader.u32()?;
    serde_json::from_slice(&reader.rest()).map_err(|_| Damaged("has details that are no JSON"))
}

fn result_record(kept: &Kept) -> ResultRecord {
    match kept {
        Kept::None => ResultRecord::None,
        Kept::TooLarge(size) => ResultRecord::TooLarge { size: *size },
        // Its codec's name stands before it, behind its length.
        Kept::Inline(value) => {
            let before = value.first().map_or(0, |len| 1 + usize::from(*len));
            ResultRecord::Kept {
                size: value.len().saturating_sub(before),
            }
        }
        Kept::Apart(size) => ResultRecord::Kept { size: *size },
        Kept::Taken => ResultRecord::Taken,
    }
}
