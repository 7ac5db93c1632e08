//! Leases: join, extend, leave, and what has become of a token.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Extend, Standing, Topic, WorkerCard, WorkerRecord};
use towpath_core::{Error, IncarnationId, Kind, Result, State, Token, limits};

use super::row::{Place, Seq};
use super::step::{AttemptEnd, Step};

impl Step<'_> {
    pub(super) fn join(&mut self, card: WorkerCard, lease: Duration) -> Result<()> {
        let incarnation = card.incarnation;
        if self.table.workers.get(incarnation).is_some() {
            let text = format!("worker {incarnation} has joined before; a new life needs a new id");
            return Err(Error::new(Kind::AlreadyExists, text));
        }
        let lease_ends = self.uptime.saturating_add(lease);
        self.table.workers.join(card, self.now, lease_ends);
        self.table.workers.forget();
        Ok(())
    }

    pub(super) fn leave(&mut self, incarnation: IncarnationId) {
        if !self.table.workers.bury(incarnation) {
            return;
        }
        let held: Vec<Seq> = self.table.held_by(incarnation).collect();
        for seq in held {
            self.remember(seq, AttemptEnd::of(AttemptOutcome::Released));
            self.release(seq);
        }
        self.rings.add(Topic::Work);
    }

    pub(super) fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        let started = extend.started.len();
        if started > limits::STARTED_PER_HEARTBEAT {
            let limit = limits::STARTED_PER_HEARTBEAT;
            return Err(Error::invalid(format!(
                "a heartbeat with {started} started attempts, the limit is {limit}"
            )));
        }
        self.check_alive(extend.incarnation)?;
        let lease_ends = self.uptime.saturating_add(extend.lease);
        self.table.workers.extend(extend.incarnation, lease_ends);
        for token in extend.started {
            self.note_start(extend.incarnation, *token);
        }
        Ok(())
    }

    /// A token that is not held any more is passed over: its attempt has ended since.
    fn note_start(&mut self, incarnation: IncarnationId, token: Token) {
        let now = self.now;
        let Ok(seq) = self.held(incarnation, token) else {
            return;
        };
        // It stays where it stands, so its row may be written in place.
        if let Place::Running(hold) = &mut self.table.row_mut(seq).place {
            hold.started_at.get_or_insert(now);
        }
    }

    pub(super) fn standing(&self, incarnation: IncarnationId, tokens: &[Token]) -> Vec<Standing> {
        tokens
            .iter()
            .map(|token| self.standing_of(incarnation, *token))
            .collect()
    }

    fn standing_of(&self, incarnation: IncarnationId, token: Token) -> Standing {
        if self.held(incarnation, token).is_ok() {
            return Standing::Held;
        }
        match self.table.find(token.id) {
            Some(row) if row.token() == token && row.state() == State::Revoked => Standing::Revoked,
            _ => Standing::Lost,
        }
    }

    pub(super) fn workers(&self) -> Vec<WorkerRecord> {
        let left = |ends: Duration| ends.saturating_sub(self.uptime);
        self.table
            .workers
            .iter()
            .map(|worker| WorkerRecord {
                incarnation: worker.card.incarnation,
                name: worker.card.name.clone(),
                listens: worker.card.listens.clone(),
                tasks: worker.card.tasks.clone(),
                joined_at: worker.joined_at,
                lease_left: worker.lease_ends.map(left),
                held: self.table.held_by(worker.card.incarnation).count(),
            })
            .collect()
    }
}
