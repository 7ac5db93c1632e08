//! Submit: accepts messages.

use rusqlite::{CachedStatement, params};
use towpath_core::message::Start;
use towpath_core::store::Topic;
use towpath_core::{Draft, Error, Kind, Payload, Result, State, Timestamp};

use super::bodies::{self, Body, encode_options, encode_start, inline, inline_options};
use super::columns::codec_text;
use super::connection::VALUE_BYTES;
use super::error::{Fallible, per_item};
use super::get::number;
use super::lines::Line;
use super::statement::statement;
use super::tx::Tx;

pub(super) fn submit(tx: &mut Tx<'_>, drafts: &[Draft]) -> Fallible<Vec<Result<()>>> {
    let mut intake = Intake::new(tx)?;
    drafts
        .iter()
        .map(|draft| per_item(intake.accept(tx, draft)))
        .collect()
}

/// Submits what the success of another message submits. One that is known already is passed over: the
/// attempt that first submitted it was repeated.
pub(super) fn submit_callbacks(tx: &mut Tx<'_>, drafts: &[Draft]) -> Fallible<()> {
    if drafts.is_empty() {
        return Ok(());
    }
    let mut intake = Intake::new(tx)?;
    for draft in drafts {
        intake.insert(tx, draft)?;
    }
    Ok(())
}

/// The statements of a submit, looked up once for a batch.
pub(super) struct Intake<'a> {
    message: CachedStatement<'a>,
    plain_message: CachedStatement<'a>,
    ready: CachedStatement<'a>,
    /// The line of the message before: most often that of the next, too.
    last: Option<(i64, Line)>,
}

/// A message on its way in.
struct Fresh<'d> {
    draft: &'d Draft,
    /// Its options as they are stored.
    options: Option<String>,
    line: i64,
    state: State,
    due: Timestamp,
    submitted: Timestamp,
    expires: Option<Timestamp>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(tx: &Tx<'a>) -> Fallible<Self> {
        Ok(Self {
            message: tx.db.prepare_cached(statement!("insert_message"))?,
            plain_message: tx.db.prepare_cached(statement!("insert_plain_message"))?,
            ready: tx.db.prepare_cached(
                "INSERT OR IGNORE INTO ready (line, priority, due, n) VALUES (?1, ?2, ?3, ?4)",
            )?,
            last: None,
        })
    }

    pub(super) fn accept(&mut self, tx: &mut Tx<'a>, draft: &Draft) -> Fallible<()> {
        if self.insert(tx, draft)? {
            return Ok(());
        }
        let id = draft.id;
        let text = format!("message {id} is already in the store");
        Err(Error::new(Kind::AlreadyExists, text).into())
    }

    /// Writes a message and puts it where it waits. Answers `false`, and writes nothing, when its id is
    /// known.
    fn insert(&mut self, tx: &mut Tx<'a>, draft: &Draft) -> Fallible<bool> {
        let options = encode_options(&draft.options)?;
        check_size(draft, options.as_deref())?;
        let Some(line) = self.line(tx, draft)? else {
            return Ok(false);
        };
        let submitted = tx.stamp()?;
        let asked = draft.start.resolve(tx.now);
        let (state, due) = if asked > tx.now {
            (State::Scheduled, asked)
        } else {
            (State::Ready, submitted)
        };
        let expires_in = draft.options.expires_in;
        let fresh = Fresh {
            draft,
            options,
            line,
            state,
            due,
            submitted,
            expires: expires_in.map(|ttl| tx.now.after(ttl)),
        };
        if self.write(&fresh)? == 0 {
            return Ok(false);
        }
        self.put_in(tx, &fresh, tx.db.last_insert_rowid())?;
        Ok(true)
    }

    /// The number of a message's line. `None` when the line is new and the message is not: that is
    /// refused before anything is written for it.
    fn line(&mut self, tx: &mut Tx<'a>, draft: &Draft) -> Fallible<Option<i64>> {
        let (queue, task) = (&draft.queue, &draft.task);
        if let Some((l, last)) = &self.last
            && (&last.queue, &last.task) == (queue, task)
        {
            return Ok(Some(*l));
        }
        let l = match tx.session.lines.number(tx.db, tx.ns, queue, task)? {
            Some(l) => l,
            None if number(tx.db, draft.id)?.is_some() => return Ok(None),
            None => tx.session.lines.add(tx.db, tx.ns, queue, task)?,
        };
        let line = Line {
            ns: tx.ns,
            queue: queue.clone(),
            task: task.clone(),
        };
        self.last = Some((l, line));
        Ok(Some(l))
    }

    /// Writes the row, unless the id is known; answers how many rows were written.
    fn write(&mut self, fresh: &Fresh<'_>) -> Fallible<usize> {
        let draft = fresh.draft;
        let scheduled = fresh.state == State::Scheduled;
        let (start_after, start_at) = encode_start(draft.start);
        let (codec, payload) = payload_columns(&draft.payload);
        let previous = draft.previous_result.as_ref();
        let is_plain = fresh.options.is_none() && codec.is_none() && previous.is_none();
        if is_plain && draft.start == Start::Now {
            // Half of the work of an insert is to hand over its values.
            return Ok(self.plain_message.execute(params![
                draft.id.as_bytes(),
                fresh.line,
                scheduled,
                draft.priority,
                fresh.due.as_millis(),
                fresh.submitted.as_millis(),
                payload,
            ])?);
        }
        Ok(self.message.execute(params![
            draft.id.as_bytes(),
            fresh.line,
            scheduled,
            draft.priority,
            fresh.due.as_millis(),
            fresh.submitted.as_millis(),
            fresh.expires.map(Timestamp::as_millis),
            start_after,
            start_at,
            codec,
            payload,
            inline_options(fresh.options.as_deref()),
            previous.map(|previous| previous.codec().as_str()),
            previous.and_then(|previous| inline(previous.bytes())),
        ])?)
    }

    /// Puts a message where it waits, and its long bodies where they belong.
    fn put_in(&mut self, tx: &mut Tx<'a>, fresh: &Fresh<'_>, n: i64) -> Fallible<()> {
        let (line, due) = (fresh.line, fresh.due.as_millis());
        spill(tx, n, fresh.draft, fresh.options.as_deref())?;
        if fresh.state == State::Ready {
            self.ready.execute((line, fresh.draft.priority, due, n))?;
            tx.line_filled(line)?;
        } else {
            tx.scheduled(fresh.due)?;
            let sql = "INSERT OR REPLACE INTO delayed (due, n, line) VALUES (?1, ?2, ?3)";
            tx.db.prepare_cached(sql)?.execute((due, n, line))?;
        }
        if let Some(expires) = fresh.expires {
            let sql = "INSERT OR REPLACE INTO expiring (expires, n) VALUES (?1, ?2)";
            let expires = expires.as_millis();
            tx.db.prepare_cached(sql)?.execute((expires, n))?;
        }
        tx.rings.add(Topic::Change);
        Ok(())
    }
}

/// Refuses what the engine would refuse half-way.
fn check_size(draft: &Draft, options: Option<&str>) -> Fallible<()> {
    let previous = draft.previous_result.as_ref().map_or(0, Payload::len);
    let size = draft.payload.len() + previous + options.map_or(0, str::len);
    if i32::try_from(size).is_ok_and(|size| size < VALUE_BYTES) {
        return Ok(());
    }
    let (draft, limit) = (draft.summary(), VALUE_BYTES);
    let text = format!("{draft} has {size} bytes in all, a store keeps fewer than {limit}");
    Err(Error::invalid(text).into())
}

fn spill(tx: &Tx<'_>, n: i64, draft: &Draft, options: Option<&str>) -> Fallible<()> {
    bodies::spill(tx.db, n, Body::Payload, draft.payload.bytes())?;
    if let Some(options) = options {
        bodies::spill(tx.db, n, Body::Options, options.as_bytes())?;
    }
    if let Some(previous) = &draft.previous_result {
        bodies::spill(tx.db, n, Body::Previous, previous.bytes())?;
    }
    Ok(())
}

/// A copy of a message to be submitted under another id: wanted now, not after the delay it once had.
pub(super) fn copy_of(draft: Draft, id: towpath_core::MessageId) -> Draft {
    let mut copy = draft;
    copy.options.replay_of = Some(copy.id);
    copy.id = id;
    copy.start = Start::Now;
    copy
}

/// The bytes of a payload in its row, and its codec.
pub(super) fn payload_columns(payload: &Payload) -> (Option<&str>, Option<&[u8]>) {
    (codec_text(payload.codec()), inline(payload.bytes()))
}
