//! How a message leaves one place and comes to another: what all verbs that move one share.
//!
//! The two hottest moves, to running and to succeeded, leave the message's row alone and have statements
//! of their own in `claim` and `settle`.

use std::time::Duration;

use rusqlite::params;
use towpath_core::store::Topic;
use towpath_core::{FailReason, State, Timestamp, Verb};

use super::columns::{reason_code, state_code};
use super::error::Fallible;
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

/// Where a verb puts a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Ready,
    Scheduled(Timestamp),
    Failed(FailReason),
    Revoked,
}

impl Place {
    fn state(self) -> State {
        match self {
            Place::Ready => State::Ready,
            Place::Scheduled(_) => State::Scheduled,
            Place::Failed(_) => State::Failed,
            Place::Revoked => State::Revoked,
        }
    }
}

impl Tx<'_> {
    /// Where a message waits that may start at `due`.
    pub(super) fn waiting(&self, due: Timestamp) -> Place {
        if due > self.now {
            Place::Scheduled(due)
        } else {
            Place::Ready
        }
    }

    /// Moves a message by `verb` to where it waits: ready when `wait` is zero, else scheduled.
    pub(super) fn shift_to_wait(&mut self, row: Row, verb: Verb, wait: Duration) -> Fallible<()> {
        let place = self.waiting(self.now.after(wait));
        self.shift(row, verb, place)
    }

    /// Moves a message by `verb` to `place`, counters included.
    pub(super) fn shift(&mut self, row: Row, verb: Verb, place: Place) -> Fallible<()> {
        let rule = verb.rule();
        let (from, to) = (row.state, place.state());
        debug_assert!(
            rule.from.contains(&from) && rule.to.contains(&to),
            "{verb:?} may not move message {} from {from} to {to}",
            row.id
        );
        self.take_out(&row)?;
        let mut row = row;
        row.counters = row.counters.after(verb);
        row.state = to;
        match place {
            Place::Ready => row.due = self.stamp()?,
            Place::Scheduled(due) => row.due = due,
            Place::Failed(_) | Place::Revoked => {
                row.kept = Some(self.now.after(self.retention.dead));
            }
        }
        self.write(&row)?;
        match place {
            Place::Ready | Place::Scheduled(_) => self.put_in(&row),
            Place::Failed(reason) => self.end(&row, Some(reason)),
            Place::Revoked => self.end(&row, None),
        }
    }

    /// Writes what has changed of a row that was moved.
    pub(super) fn write(&mut self, row: &Row) -> Fallible<()> {
        let counters = row.counters;
        self.db
            .prepare_cached(statement!("move_message"))?
            .execute(params![
                row.n,
                row.state == State::Scheduled,
                row.priority,
                row.due.as_millis(),
                counters.claims,
                counters.retries,
                counters.losses,
                counters.strays,
                counters.snoozes,
                self.now.as_millis(),
                row.expires.map(Timestamp::as_millis),
            ])?;
        self.rings.add(Topic::Change);
        Ok(())
    }

    /// Takes a message from where it stands.
    pub(super) fn take_out(&mut self, row: &Row) -> Fallible<()> {
        let db = self.db;
        let (n, due) = (row.n, row.due.as_millis());
        match row.state {
            State::Scheduled => {
                let sql = "DELETE FROM delayed WHERE due = ?1 AND n = ?2";
                db.prepare_cached(sql)?.execute((due, n))?;
                self.forget_earliest();
            }
            State::Ready => {
                let sql =
                    "DELETE FROM ready WHERE line = ?1 AND priority = ?2 AND due = ?3 AND n = ?4";
                db.prepare_cached(sql)?
                    .execute((row.line, row.priority, due, n))?;
                self.line_touched(row.line);
            }
            State::Running => {
                let sql = "DELETE FROM inflight WHERE n = ?1";
                db.prepare_cached(sql)?.execute([n])?;
            }
            State::Succeeded | State::Failed | State::Revoked => {
                let sql =
                    "DELETE FROM finished WHERE ns = ?1 AND dead = ?2 AND kept = ?3 AND n = ?4";
                let kept = row.kept.map(Timestamp::as_millis);
                let ns = self.namespace_of(row.line)?;
                db.prepare_cached(sql)?
                    .execute((ns, is_dead(row.state), kept, n))?;
                let sql = "DELETE FROM outcome WHERE n = ?1";
                db.prepare_cached(sql)?.execute([n])?;
            }
        }
        if let (true, Some(expires)) = (row.waits(), row.expires) {
            let sql = "DELETE FROM expiring WHERE expires = ?1 AND n = ?2";
            db.prepare_cached(sql)?.execute((expires.as_millis(), n))?;
        }
        Ok(())
    }

    /// Puts a message where it waits, as its row says.
    pub(super) fn put_in(&mut self, row: &Row) -> Fallible<()> {
        let db = self.db;
        let (n, due) = (row.n, row.due.as_millis());
        if row.state == State::Scheduled {
            self.scheduled(row.due)?;
            let sql = "INSERT OR REPLACE INTO delayed (due, n, line) VALUES (?1, ?2, ?3)";
            db.prepare_cached(sql)?.execute((due, n, row.line))?;
        } else {
            let sql =
                "INSERT OR REPLACE INTO ready (line, priority, due, n) VALUES (?1, ?2, ?3, ?4)";
            db.prepare_cached(sql)?
                .execute((row.line, row.priority, due, n))?;
            self.line_filled(row.line)?;
        }
        if let Some(expires) = row.expires {
            let sql = "INSERT OR REPLACE INTO expiring (expires, n) VALUES (?1, ?2)";
            db.prepare_cached(sql)?.execute((expires.as_millis(), n))?;
        }
        Ok(())
    }

    /// Says how a message has ended without success, and puts it among those.
    pub(super) fn end(&mut self, row: &Row, reason: Option<FailReason>) -> Fallible<()> {
        self.db
            .prepare_cached(statement!("end_message"))?
            .execute(params![
                row.n,
                state_code(row.state),
                row.counters.claims,
                self.now.as_millis(),
                row.kept.unwrap_or(self.now).as_millis(),
                row.worker,
                reason.map(reason_code),
            ])?;
        self.put_among_finished(row)
    }

    /// Puts a message that has ended where it is found when its retention is over.
    pub(super) fn put_among_finished(&mut self, row: &Row) -> Fallible<()> {
        let sql = "INSERT OR REPLACE INTO finished (ns, dead, kept, n, state) VALUES (?1, ?2, ?3, ?4, ?5)";
        let kept = row.kept.unwrap_or(self.now).as_millis();
        let ns = self.namespace_of(row.line)?;
        let state = state_code(row.state);
        self.db
            .prepare_cached(sql)?
            .execute((ns, is_dead(row.state), kept, row.n, state))?;
        Ok(())
    }
}

/// The half of `finished` in which a message stands: the dead letters have a retention of their own.
pub(super) fn is_dead(state: State) -> bool {
    state != State::Succeeded
}
