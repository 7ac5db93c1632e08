//! One verb at work: the locked table, one reading of the clocks, and who is to be woken after it.
//!
//! The verbs are methods of [`Step`], each in its own file. Here is what they share: how a message
//! moves, when it becomes ready, how it ends, and whether a token still holds.

use std::time::Duration;

use towpath_core::message::{Attempt, AttemptOutcome};
use towpath_core::store::{Retention, Topic};
use towpath_core::{
    AttemptError, Error, FailReason, IncarnationId, Kind, MessageId, Result, Timestamp, Token, Verb,
};

use super::row::{Ended, Place, Row, Seq};
use super::table::Table;

pub(super) struct Step<'a> {
    pub(super) table: &'a mut Table,
    /// The wall clock, read once: what is due and what has expired.
    pub(super) now: Timestamp,
    /// The boot clock, read once: whose lease has ended.
    pub(super) uptime: Duration,
    pub(super) retention: Retention,
    pub(super) rings: Rings,
}

/// The topics that are to be rung once the table is unlocked.
#[derive(Debug, Default)]
pub(super) struct Rings([bool; Topic::ALL.len()]);

impl Rings {
    pub(super) fn add(&mut self, topic: Topic) {
        self.0[topic as usize] = true;
    }

    pub(super) fn contains(&self, topic: Topic) -> bool {
        self.0[topic as usize]
    }
}

/// How an attempt ended, for its message's history.
pub(super) struct AttemptEnd {
    pub(super) outcome: AttemptOutcome,
    pub(super) started_at: Option<Timestamp>,
    pub(super) error: Option<AttemptError>,
}

impl AttemptEnd {
    /// The end of an attempt of which its worker said nothing.
    pub(super) fn of(outcome: AttemptOutcome) -> Self {
        Self {
            outcome,
            started_at: None,
            error: None,
        }
    }
}

impl Step<'_> {
    /// Moves a message by `verb` to `place`.
    pub(super) fn shift(&mut self, seq: Seq, verb: Verb, place: Place) {
        self.shift_with(seq, verb, place, |_| ());
    }

    /// Moves a message by `verb` to where it waits: ready when `wait` is zero, else scheduled.
    pub(super) fn shift_to_wait(&mut self, seq: Seq, verb: Verb, wait: Duration) {
        let (due_at, place) = self.waiting(self.now.after(wait));
        self.shift_with(seq, verb, place, |row| row.due_at = due_at);
    }

    /// Moves a message by `verb` to `place`, counters included, with what else changes in the same
    /// move: the one way a message moves.
    pub(super) fn shift_with(
        &mut self,
        seq: Seq,
        verb: Verb,
        place: Place,
        also: impl FnOnce(&mut Row),
    ) {
        let rule = verb.rule();
        let (now, from, to) = (self.now, self.table.row(seq).state(), place.state());
        assert!(
            rule.from.contains(&from) && rule.to.contains(&to),
            "{verb:?} may not move message {seq} from {from} to {to}"
        );
        self.ring_for(&place);
        self.table.change(seq, |row| {
            row.counters = row.counters.after(verb);
            row.place = place;
            row.updated_at = now;
            also(row);
        });
    }

    /// Wakes those who wait for a message that has come to `place`.
    pub(super) fn ring_for(&mut self, place: &Place) {
        self.rings.add(Topic::Change);
        match place {
            Place::Ready => self.rings.add(Topic::Work),
            Place::Scheduled => self.rings.add(Topic::Schedule),
            _ => {}
        }
    }

    /// Moves a message by `verb` to its end as a dead letter.
    pub(super) fn shift_to_failed(&mut self, seq: Seq, verb: Verb, reason: FailReason) {
        let ended = self.ended(self.retention.dead);
        self.shift(seq, verb, Place::Failed { ended, reason });
    }

    /// How a message waits that may start at `due_at`: the time it is kept under, and its place.
    pub(super) fn waiting(&mut self, due_at: Timestamp) -> (Timestamp, Place) {
        if due_at > self.now {
            return (due_at, Place::Scheduled);
        }
        // Becoming ready is stamped by the store, and never earlier than before: whoever joins a line
        // stands behind those of his priority who are there, wherever the wall clock was set to.
        self.table.last_ready = self.table.last_ready.max(self.now);
        (self.table.last_ready, Place::Ready)
    }

    pub(super) fn ended(&self, kept: Duration) -> Ended {
        Ended {
            at: self.now,
            kept_until: self.now.after(kept),
        }
    }

    /// Writes the attempt that a running message has just ended into its history.
    pub(super) fn remember(&mut self, seq: Seq, end: AttemptEnd) {
        let row = self.table.row(seq);
        let hold = row.place.hold().expect("an attempt ends while it is held");
        let started_at = end.started_at.or(hold.started_at);
        let given_back = matches!(
            end.outcome,
            AttemptOutcome::Released | AttemptOutcome::Revoked
        );
        if given_back && started_at.is_none() {
            // It was only prefetched. Workers that come and go would push the errors that matter out
            // of the few attempts that are kept.
            return;
        }
        let attempt = Attempt {
            claims: row.counters.claims,
            worker: self.worker_name(hold.incarnation),
            started_at,
            ended_at: self.now,
            outcome: end.outcome,
            error: end.error,
        };
        self.table.row_mut(seq).remember(attempt);
    }

    pub(super) fn worker_name(&self, incarnation: IncarnationId) -> String {
        let worker = self.table.workers.get(incarnation);
        worker.map_or_else(String::new, |worker| worker.card.name.clone())
    }

    /// The message that `incarnation` holds under exactly this token.
    pub(super) fn held(&self, incarnation: IncarnationId, token: Token) -> Result<Seq> {
        let row = self.table.find(token.id).filter(|row| {
            row.token() == token
                && row
                    .place
                    .hold()
                    .is_some_and(|hold| hold.incarnation == incarnation)
        });
        match row {
            Some(row) if self.table.workers.is_alive(incarnation) => Ok(row.seq),
            _ => Err(Error::new(
                Kind::LeaseLost,
                format!("worker {incarnation} does not hold message {token} any more"),
            )),
        }
    }

    /// Refuses a worker that never joined, left, or was found dead.
    pub(super) fn check_alive(&self, incarnation: IncarnationId) -> Result<()> {
        if self.table.workers.is_alive(incarnation) {
            return Ok(());
        }
        Err(Error::new(
            Kind::LeaseLost,
            format!("worker {incarnation} has no lease: it left, was found dead or never joined"),
        ))
    }

    pub(super) fn find(&self, id: MessageId) -> Result<&Row> {
        self.table.find(id).ok_or_else(|| {
            let text = format!("message {id} is not in the store");
            Error::new(Kind::NotFound, text)
        })
    }

    /// The number of a message that `verb` may be done to.
    pub(super) fn find_for(&self, verb: Verb, id: MessageId) -> Result<Seq> {
        let row = self.find(id)?;
        verb.check(row.state())
            .map_err(|error| error.about(format_args!("message {id}")))?;
        Ok(row.seq)
    }
}
