//! How messages leave one place and come to another: what all verbs share that move them, but for the
//! hottest, which have functions of their own (`claim`, `succeed`, `promote`).
//!
//! Messages are locked and read, moved here by the life table, one after the other, and then all written at
//! once: three steps on the way to the server, however many messages.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use towpath_core::store::StoredResult;
use towpath_core::{
    Error, FailReason, IncarnationId, Kind, MessageId, Result, State, Timestamp, Verb,
};
use uuid::Uuid;

use super::attempts::{AttemptEnd, History};
use super::bodies::keep_millis;
use super::columns::{Columns, uuids};
use super::error::{Fallible, Fault};
use super::moved::MoveColumns;
use super::row::{Row, not_found};
use super::tx::Tx;

/// Where a verb puts a message.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Ready,
    Scheduled(Timestamp),
    Succeeded(StoredResult),
    Failed(FailReason),
    Revoked,
}

impl Place {
    fn state(&self) -> State {
        match self {
            Place::Ready => State::Ready,
            Place::Scheduled(_) => State::Scheduled,
            Place::Succeeded(_) => State::Succeeded,
            Place::Failed(_) => State::Failed,
            Place::Revoked => State::Revoked,
        }
    }
}

/// Messages that are locked, and what is to become of them.
pub(super) struct Held<'t, 's> {
    tx: &'t Tx<'s>,
    pub(super) now: Timestamp,
    /// The number of the worker that was asked about, while it has a lease.
    pub(super) alive: Option<i32>,
    /// As they will be once what was decided is written.
    rows: HashMap<MessageId, Result<Row>>,
    /// Those that move, by number, with why they fail.
    moved: BTreeMap<i64, (MessageId, Option<FailReason>)>,
    pub(super) history: History,
}

impl<'s> Tx<'s> {
    /// Begins a transaction, and locks and reads these messages.
    pub(super) async fn hold(
        &self,
        who: Option<IncarnationId>,
        ids: &[MessageId],
        with_options: bool,
    ) -> Fallible<Held<'_, 's>> {
        let now = self.begin().await?;
        self.hold_more(now, who, ids, with_options).await
    }

    /// Locks and reads these messages, in a transaction that was begun.
    pub(super) async fn hold_more(
        &self,
        now: Timestamp,
        who: Option<IncarnationId>,
        ids: &[MessageId],
        with_options: bool,
    ) -> Fallible<Held<'_, 's>> {
        let who = who.map(|who| Uuid::from_bytes(*who.as_bytes()));
        let sql = "SELECT * FROM hold($1, $2, $3)";
        let found = self.query(sql, &[&who, &uuids(ids), &with_options]).await?;
        let mut held = Held {
            tx: self,
            now,
            alive: None,
            rows: HashMap::with_capacity(found.len()),
            moved: BTreeMap::new(),
            history: History::default(),
        };
        for raw in &found {
            let columns = Columns(raw);
            held.alive = columns.maybe_int("alive")?;
            let id = columns.message_id("id")?;
            let row = match Row::read(raw) {
                Ok(row) => Ok(row),
                Err(Fault::Refused(error)) => Err(error.about(format_args!("message {id}"))),
                Err(engine) => return Err(engine),
            };
            held.rows.insert(id, row);
        }
        Ok(held)
    }
}

impl Held<'_, '_> {
    pub(super) fn find(&self, id: MessageId) -> Result<Row> {
        match self.rows.get(&id) {
            Some(row) => row.clone(),
            None => Err(not_found(id)),
        }
    }

    /// A message that `verb` may be done to.
    pub(super) fn find_for(&self, verb: Verb, id: MessageId) -> Result<Row> {
        let row = self.find(id)?;
        row.check(verb)?;
        Ok(row)
    }

    /// Where a message waits that may start at `due`.
    pub(super) fn waiting(&self, due: Timestamp) -> Place {
        if due > self.now {
            Place::Scheduled(due)
        } else {
            Place::Ready
        }
    }

    /// Moves a message by `verb` to where it waits: ready when `wait` is zero, else scheduled.
    pub(super) fn shift_to_wait(&mut self, row: Row, verb: Verb, wait: Duration) {
        let place = self.waiting(self.now.after(wait));
        self.shift(row, verb, place);
    }

    /// Moves a message by `verb` to `place`, counters included.
    pub(super) fn shift(&mut self, mut row: Row, verb: Verb, place: Place) {
        let rule = verb.rule();
        let (from, to) = (row.state, place.state());
        debug_assert!(
            rule.from.contains(&from) && rule.to.contains(&to),
            "{verb:?} may not move message {} from {from} to {to}",
            row.id
        );
        row.counters = row.counters.after(verb);
        row.state = to;
        let retention = self.tx.retention;
        let mut reason = None;
        match place {
            Place::Ready => row.due = None,
            Place::Scheduled(due) => row.due = Some(due),
            Place::Succeeded(result) => {
                row.result = result;
                let keep = row
                    .keep_for
                    .unwrap_or_else(|| keep_millis(retention.succeeded));
                let kept = self.now.as_millis().saturating_add(keep);
                row.kept = Some(Timestamp::from_millis(kept));
            }
            Place::Failed(why) => {
                reason = Some(why);
                row.kept = Some(self.now.after(retention.dead));
            }
            Place::Revoked => row.kept = Some(self.now.after(retention.dead)),
        }
        self.put(row, reason);
    }

    /// Has a message be written as it is here.
    pub(super) fn put(&mut self, row: Row, reason: Option<FailReason>) {
        self.tx.ring_for(row.state);
        self.moved.insert(row.n, (row.id, reason));
        self.rows.insert(row.id, Ok(row));
    }

    /// Writes the end of a running message's attempt into its history.
    pub(super) fn remember(&mut self, row: &Row, end: &AttemptEnd) -> Fallible<()> {
        self.history.remember(row, end)
    }

    /// Writes what was decided.
    pub(super) async fn write(&self) -> Fallible<()> {
        if self.moved.is_empty() {
            return Ok(());
        }
        let mut columns = MoveColumns::default();
        for (id, reason) in self.moved.values() {
            if let Some(Ok(row)) = self.rows.get(id) {
                columns.push(row, *reason);
            }
            if columns.results.is_full() {
                std::mem::take(&mut columns).write(self.tx).await?;
            }
        }
        columns.write(self.tx).await?;
        self.history.write(self.tx).await
    }

    /// Writes what was decided, and ends the transaction.
    pub(super) async fn commit(&self) -> Fallible<()> {
        self.write().await?;
        self.tx.commit().await
    }
}

/// The answer where a verb that was decided on cannot be done.
pub(super) fn per_item<T>(outcome: Fallible<T>) -> Fallible<Result<T>> {
    match outcome {
        Ok(answer) => Ok(Ok(answer)),
        Err(Fault::Refused(error)) => Ok(Err(error)),
        Err(engine @ Fault::Engine(_)) => Err(engine),
    }
}

/// Refuses more messages than one call may have.
pub(super) fn check_batch(what: &str, len: usize) -> Result<()> {
    let limit = towpath_core::limits::BATCH;
    if len > limit {
        let text = format!("a batch of {len} messages to {what}, the limit is {limit}");
        return Err(Error::new(Kind::Invalid, text));
    }
    Ok(())
}
