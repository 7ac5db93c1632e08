//! The workers that are known: who lives until when, and who is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use towpath_core::store::WorkerCard;
use towpath_core::{IncarnationId, Timestamp};

/// How many workers that left or died are remembered, for people who ask what happened.
const GONE_MAX: usize = 1_000;

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) card: WorkerCard,
    pub(super) joined_at: Timestamp,
    /// The end of its lease on the boot clock; `None` once it is gone.
    pub(super) lease_ends: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct Workers {
    known: BTreeMap<IncarnationId, Worker>,
    /// The living, the one whose lease ends first at the front.
    leases: BTreeSet<(Duration, IncarnationId)>,
    /// The dead from whom not everything has been taken yet.
    unrescued: BTreeSet<IncarnationId>,
    /// The gone, in the order of their going; the oldest is forgotten first.
    gone: VecDeque<IncarnationId>,
}

impl Workers {
    pub(super) fn get(&self, incarnation: IncarnationId) -> Option<&Worker> {
        self.known.get(&incarnation)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.known.values()
    }

    pub(super) fn is_alive(&self, incarnation: IncarnationId) -> bool {
        self.get(incarnation)
            .is_some_and(|worker| worker.lease_ends.is_some())
    }

    pub(super) fn join(&mut self, card: WorkerCard, joined_at: Timestamp, lease_ends: Duration) {
        let incarnation = card.incarnation;
        self.leases.insert((lease_ends, incarnation));
        let worker = Worker {
            card,
            joined_at,
            lease_ends: Some(lease_ends),
        };
        self.known.insert(incarnation, worker);
    }

    /// Gives a living worker another end of its lease.
    pub(super) fn extend(&mut self, incarnation: IncarnationId, lease_ends: Duration) {
        let worker = self.known.get_mut(&incarnation);
        let Some(lease) = worker.and_then(|worker| worker.lease_ends.as_mut()) else {
            return;
        };
        self.leases.remove(&(*lease, incarnation));
        *lease = lease_ends;
        self.leases.insert((lease_ends, incarnation));
    }

    /// Ends the lease of a living worker; answers whether it lived.
    pub(super) fn bury(&mut self, incarnation: IncarnationId) -> bool {
        let worker = self.known.get_mut(&incarnation);
        let Some(lease) = worker.and_then(|worker| worker.lease_ends.take()) else {
            return false;
        };
        self.leases.remove(&(lease, incarnation));
        self.gone.push_back(incarnation);
        true
    }

    /// The living worker whose lease has run out the longest ago, if there is one.
    pub(super) fn first_overdue(&self, uptime: Duration) -> Option<IncarnationId> {
        let (ends, incarnation) = self.leases.first()?;
        (*ends <= uptime).then_some(*incarnation)
    }

    pub(super) fn first_unrescued(&self) -> Option<IncarnationId> {
        self.unrescued.first().copied()
    }

    pub(super) fn set_unrescued(&mut self, incarnation: IncarnationId) {
        self.unrescued.insert(incarnation);
    }

    pub(super) fn set_rescued(&mut self, incarnation: IncarnationId) {
        self.unrescued.remove(&incarnation);
    }

    /// Forgets who has been gone the longest, beyond those that are remembered.
    pub(super) fn forget(&mut self) {
        while self.gone.len() > GONE_MAX {
            // Whoever still holds something is not forgotten before it was taken from him.
            let forgettable = self.gone.front().filter(|id| !self.unrescued.contains(id));
            let Some(incarnation) = forgettable.copied() else {
                return;
            };
            self.gone.pop_front();
            self.known.remove(&incarnation);
        }
    }
}
