//! The structures a message can stand in, and the one way to move between them.
//!
//! Every message has one row, and stands in exactly one of the structures below, by its state; while
//! it waits and has an expiry, in `expiring` as well. Each is kept in the order in which it is read,
//! so nothing is ever sorted for a call.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use towpath_core::store::StateCounts;
use towpath_core::{IncarnationId, MessageId, QueueName, State, Timestamp};

use super::kv::Values;
use super::lines::Lines;
use super::lock::Locks;
use super::row::{Place, Row, Seq};
use super::workers::Workers;

/// Everything the store holds.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<Seq, Row>,
    pub(super) ids: HashMap<MessageId, Seq>,
    /// By the time they are due.
    pub(super) scheduled: BTreeSet<(Timestamp, Seq)>,
    pub(super) lines: Lines,
    pub(super) running: BTreeSet<(IncarnationId, Seq)>,
    /// By the end of their retention.
    pub(super) succeeded: BTreeSet<(Timestamp, Seq)>,
    /// Failed and revoked, by the end of their retention.
    pub(super) dead: BTreeSet<(Timestamp, Seq)>,
    /// Those that wait and must start before a time, by that time.
    pub(super) expiring: BTreeSet<(Timestamp, Seq)>,
    pub(super) paused: BTreeSet<QueueName>,
    pub(super) workers: Workers,
    pub(super) locks: Locks,
    pub(super) values: Values,
    pub(super) counts: StateCounts,
    pub(super) last_seq: Seq,
    /// The latest time at which a message became ready. The wall clock may be set back; lines may not.
    pub(super) last_ready: Timestamp,
}

impl Table {
    pub(super) fn find(&self, id: MessageId) -> Option<&Row> {
        self.ids.get(&id).map(|seq| self.row(*seq))
    }

    /// The row of a number that was read from a structure.
    pub(super) fn row(&self, seq: Seq) -> &Row {
        self.rows
            .get(&seq)
            .unwrap_or_else(|| panic!("a structure leads to message {seq}, which has no row"))
    }

    pub(super) fn row_mut(&mut self, seq: Seq) -> &mut Row {
        self.rows
            .get_mut(&seq)
            .unwrap_or_else(|| panic!("a structure leads to message {seq}, which has no row"))
    }

    pub(super) fn add(&mut self, row: Row) {
        let seq = row.seq;
        self.ids.insert(row.draft.id, seq);
        self.rows.insert(seq, row);
        self.enter(seq);
    }

    pub(super) fn delete(&mut self, seq: Seq) {
        self.leave(seq);
        let row = self.rows.remove(&seq).expect("leave found the row");
        self.ids.remove(&row.draft.id);
    }

    /// Takes the message out of its structures, lets `change` change it, and puts it where it belongs
    /// then. Whatever decides where a message stands is changed in here and nowhere else.
    pub(super) fn change(&mut self, seq: Seq, change: impl FnOnce(&mut Row)) {
        self.leave(seq);
        change(self.row_mut(seq));
        self.enter(seq);
    }

    /// Puts the message into the structures of its place.
    pub(super) fn enter(&mut self, seq: Seq) {
        let row = &self.rows[&seq];
        *count_of(&mut self.counts, row.state()) += 1;
        if let (true, Some(expires_at)) = (row.waits(), row.expires_at) {
            self.expiring.insert((expires_at, seq));
        }
        match &row.place {
            Place::Scheduled => self.scheduled.insert((row.due_at, seq)),
            Place::Ready => {
                let (queue, task) = (&row.draft.queue, &row.draft.task);
                self.lines.insert(queue, task, row.rank());
                true
            }
            Place::Running(hold) => self.running.insert((hold.incarnation, seq)),
            Place::Succeeded { ended, .. } => self.succeeded.insert((ended.kept_until, seq)),
            Place::Failed { ended, .. } | Place::Revoked { ended } => {
                self.dead.insert((ended.kept_until, seq))
            }
        };
    }

    /// Takes the message out of the structures of its place.
    fn leave(&mut self, seq: Seq) {
        let row = &self.rows[&seq];
        *count_of(&mut self.counts, row.state()) -= 1;
        if let (true, Some(expires_at)) = (row.waits(), row.expires_at) {
            self.expiring.remove(&(expires_at, seq));
        }
        let stood = match &row.place {
            Place::Scheduled => self.scheduled.remove(&(row.due_at, seq)),
            Place::Ready => {
                let (queue, task) = (&row.draft.queue, &row.draft.task);
                self.lines.remove(queue, task, &row.rank())
            }
            Place::Running(hold) => self.running.remove(&(hold.incarnation, seq)),
            Place::Succeeded { ended, .. } => self.succeeded.remove(&(ended.kept_until, seq)),
            Place::Failed { ended, .. } | Place::Revoked { ended } => {
                self.dead.remove(&(ended.kept_until, seq))
            }
        };
        debug_assert!(stood, "message {seq} stood nowhere: {:?}", row.place);
    }

    /// Whether the message stands where its place says.
    pub(super) fn stands(&self, row: &Row) -> bool {
        let seq = row.seq;
        match &row.place {
            Place::Scheduled => self.scheduled.contains(&(row.due_at, seq)),
            Place::Ready => {
                let (queue, task) = (&row.draft.queue, &row.draft.task);
                self.lines.holds(queue, task, &row.rank())
            }
            Place::Running(hold) => {
                self.running.contains(&(hold.incarnation, seq))
                    && self.workers.get(hold.incarnation).is_some()
            }
            Place::Succeeded { ended, .. } => self.succeeded.contains(&(ended.kept_until, seq)),
            Place::Failed { ended, .. } | Place::Revoked { ended } => {
                self.dead.contains(&(ended.kept_until, seq))
            }
        }
    }

    /// What one worker holds, in the order of submits.
    pub(super) fn held_by(&self, incarnation: IncarnationId) -> impl Iterator<Item = Seq> {
        self.running
            .range((incarnation, Seq::MIN)..=(incarnation, Seq::MAX))
            .map(|(_, seq)| *seq)
    }
}

pub(super) fn count_of(counts: &mut StateCounts, state: State) -> &mut u64 {
    match state {
        State::Scheduled => &mut counts.scheduled,
        State::Ready => &mut counts.ready,
        State::Running => &mut counts.running,
        State::Succeeded => &mut counts.succeeded,
        State::Failed => &mut counts.failed,
        State::Revoked => &mut counts.revoked,
    }
}
