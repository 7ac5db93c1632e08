//! Submit: accepts messages.

use rusqlite::{CachedStatement, params};
use towpath_core::message::Start;
use towpath_core::store::Topic;
use towpath_core::{Draft, Error, Kind, Payload, Result, State, Timestamp};

use super::bodies::{self, Body, encode_options, encode_start, inline, inline_options};
use super::columns::codec_text;
use super::connection::VALUE_BYTES;
use super::error::{Fallible, per_item};
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
    ready: CachedStatement<'a>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(tx: &Tx<'a>) -> Fallible<Self> {
        Ok(Self {
            message: tx
                .db
                .prepare_cached(include_str!("sql/insert_message.sql"))?,
            ready: tx.db.prepare_cached(
                "INSERT OR REPLACE INTO ready (line, priority, due, n) VALUES (?1, ?2, ?3, ?4)",
            )?,
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
        let options = &draft.options;
        let encoded = encode_options(options)?;
        check_size(draft, encoded.as_deref())?;
        let l = tx
            .session
            .lines
            .number(tx.db, tx.ns, &draft.queue, &draft.task)?;
        let stamp = tx.stamp()?;
        let asked = draft.start.resolve(tx.now);
        let (state, due) = if asked > tx.now {
            (State::Scheduled, asked)
        } else {
            (State::Ready, stamp)
        };
        let expires = options.expires_in.map(|ttl| tx.now.after(ttl));
        let (start_after, start_at) = encode_start(draft.start);
        let previous = draft.previous_result.as_ref();
        let inserted = self.message.execute(params![
            draft.id.as_bytes(),
            l,
            state == State::Scheduled,
            draft.priority,
            due.as_millis(),
            stamp.as_millis(),
            expires.map(Timestamp::as_millis),
            start_after,
            start_at,
            codec_text(draft.payload.codec()),
            inline(draft.payload.bytes()),
            inline_options(encoded.as_deref()),
            previous.map(|previous| previous.codec().as_str()),
            previous.and_then(|previous| inline(previous.bytes())),
        ])?;
        if inserted == 0 {
            return Ok(false);
        }
        let n = tx.db.last_insert_rowid();
        spill(tx, n, draft, encoded.as_deref())?;
        if state == State::Ready {
            self.ready
                .execute((l, draft.priority, due.as_millis(), n))?;
            tx.line_filled(l)?;
        } else {
            let sql = "INSERT OR REPLACE INTO delayed (due, n, line) VALUES (?1, ?2, ?3)";
            tx.scheduled(due)?;
            tx.db
                .prepare_cached(sql)?
                .execute((due.as_millis(), n, l))?;
        }
        if let Some(expires) = expires {
            let sql = "INSERT OR REPLACE INTO expiring (expires, n) VALUES (?1, ?2)";
            tx.db
                .prepare_cached(sql)?
                .execute((expires.as_millis(), n))?;
        }
        tx.rings.add(Topic::Change);
        Ok(true)
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
