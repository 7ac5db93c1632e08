//! The plain map: every message in one `BTreeMap`, every verb the slow and obvious way.
//!
//! It asks the life table which moves are legal and what they do to the counters, and knows nothing of
//! lines, leases by time, or any structure that a store keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use towpath_core::life::Counters;
use towpath_core::message::{Record, ResultRecord};
use towpath_core::store::{Retention, StateCounts};
use towpath_core::{
    Backoff, Draft, FailReason, IncarnationId, Kind, MessageId, QueueName, State, TaskName,
    Timestamp, Token, Verb, limits,
};

/// What the map knows of one message: what a [`Record`] says of it, attempts and times of movement
/// apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) draft: Draft,
    pub(super) state: State,
    pub(super) counters: Counters,
    pub(super) due_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) kept_until: Option<Timestamp>,
    pub(super) reason: Option<FailReason>,
    pub(super) result: ResultRecord,
    pub(super) holder: Option<Holder>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Holder {
    pub(super) incarnation: IncarnationId,
    pub(super) started: bool,
}

/// The map, and the little beside it.
#[derive(Debug, Default)]
pub(super) struct Plain {
    now: Timestamp,
    uptime: Duration,
    /// By the order of submits.
    pub(super) entries: BTreeMap<u64, Entry>,
    submits: u64,
    /// Whether of two that became ready at the same time the first submitted goes first; else the one
    /// that came first does.
    ordered: bool,
    /// By number, the call that let it become ready. Those that one call let are equals, and the store
    /// may hand out any of them first.
    joins: BTreeMap<u64, usize>,
    calls: usize,
    /// When a message last became ready.
    last_ready: Timestamp,
    /// The latest that the wall clock ever showed.
    latest: Timestamp,
    pub(super) paused: BTreeSet<QueueName>,
    /// The end of the lease of each that lives.
    leases: BTreeMap<IncarnationId, Duration>,
}

/// An answer: accepted, or refused as that kind.
pub(super) type Verdict<T = ()> = Result<T, Kind>;

impl Plain {
    pub(super) fn new(ordered: bool) -> Self {
        Self {
            ordered,
            ..Self::default()
        }
    }

    pub(super) fn set_clock(&mut self, now: Timestamp, uptime: Duration) {
        (self.now, self.uptime) = (now, uptime);
        self.latest = self.latest.max(now);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn join(&mut self, incarnation: IncarnationId) {
        self.leases.insert(incarnation, self.uptime + limits::LEASE);
    }

    /// Takes over when messages became ready, where the store says otherwise and may: after the wall
    /// clock was set back, a stamp need not be that of the message before, it must only not go back
    /// and not be made up.
    pub(super) fn adopt_stamps(&mut self, stamps: impl Iterator<Item = (MessageId, Timestamp)>) {
        let (last, latest) = (self.last_ready, self.latest);
        for (id, stamp) in stamps {
            let Some(number) = self.number(id) else {
                continue;
            };
            let entry = self.entry(number);
            let stamped_last = entry.state == State::Ready && entry.due_at == last;
            if stamped_last && (last..=latest).contains(&stamp) {
                entry.due_at = stamp;
                self.last_ready = self.last_ready.max(stamp);
            }
        }
    }

    /// Forgets those of the messages that are gone which were to be kept for no time at all: a store may
    /// let them go as soon as they have succeeded.
    pub(super) fn forget_unkept(&mut self, gone: impl Iterator<Item = MessageId>) {
        for id in gone {
            let unkept = |entry: &Entry| {
                entry.state == State::Succeeded && entry.kept_until <= Some(self.now)
            };
            if let Some(number) = self.number(id).filter(|n| unkept(&self.entries[n])) {
                self.entries.remove(&number);
            }
        }
    }

    pub(super) fn number(&self, id: MessageId) -> Option<u64> {
        let mut entries = self.entries.iter();
        entries
            .find(|(_, entry)| entry.draft.id == id)
            .map(|(number, _)| *number)
    }

    pub(super) fn find(&self, id: MessageId) -> Option<&Entry> {
        self.number(id).map(|number| &self.entries[&number])
    }

    fn find_for(&self, verb: Verb, id: MessageId) -> Verdict<u64> {
        let number = self.number(id).ok_or(Kind::NotFound)?;
        let state = self.entries[&number].state;
        verb.check(state).map_err(|error| error.kind())?;
        Ok(number)
    }

    fn entry(&mut self, number: u64) -> &mut Entry {
        self.entries
            .get_mut(&number)
            .expect("the number is of an entry")
    }

    /// Moves an entry, as the table allows.
    fn shift(&mut self, number: u64, verb: Verb, state: State) -> &mut Entry {
        let entry = self.entry(number);
        let rule = verb.rule();
        assert!(
            rule.from.contains(&entry.state) && rule.to.contains(&state),
            "{verb:?}"
        );
        entry.counters = entry.counters.after(verb);
        entry.state = state;
        entry.holder = None;
        (entry.kept_until, entry.reason) = (None, None);
        entry
    }

    fn wait(&mut self, number: u64, verb: Verb, due_at: Timestamp) {
        let (state, due_at) = self.waiting(due_at);
        self.shift(number, verb, state).due_at = due_at;
        self.note_join(number);
    }

    fn note_join(&mut self, number: u64) {
        self.joins.insert(number, self.calls);
    }

    fn waiting(&mut self, due_at: Timestamp) -> (State, Timestamp) {
        if due_at > self.now {
            return (State::Scheduled, due_at);
        }
        self.last_ready = self.last_ready.max(self.now);
        (State::Ready, self.last_ready)
    }

    fn bury(&mut self, number: u64, verb: Verb, reason: Option<FailReason>) {
        let kept_until = self.now.after(retention().dead);
        let state = if reason.is_some() {
            State::Failed
        } else {
            State::Revoked
        };
        let entry = self.shift(number, verb, state);
        (entry.kept_until, entry.reason) = (Some(kept_until), reason);
    }

    pub(super) fn submit(&mut self, draft: Draft) -> Verdict {
        if self.number(draft.id).is_some() {
            return Err(Kind::AlreadyExists);
        }
        let (state, due_at) = self.waiting(draft.start.resolve(self.now));
        self.calls += 1;
        self.submits += 1;
        let entry = Entry {
            state,
            counters: Counters::default(),
            due_at,
            expires_at: draft.options.expires_in.map(|ttl| self.now.after(ttl)),
            kept_until: None,
            reason: None,
            result: ResultRecord::None,
            holder: None,
            draft,
        };
        self.entries.insert(self.submits, entry);
        self.note_join(self.submits);
        Ok(())
    }

    /// The next message of these tasks in this queue; several where they are equals.
    pub(super) fn heads(&self, queue: &QueueName, tasks: &[TaskName]) -> Vec<u64> {
        if self.paused.contains(queue) {
            return Vec::new();
        }
        let wanted = |entry: &Entry| {
            entry.state == State::Ready
                && entry.draft.queue == *queue
                && tasks.contains(&entry.draft.task)
        };
        let place = |number: u64| {
            let entry = &self.entries[&number];
            let (joined, submitted) = if self.ordered {
                (0, number)
            } else {
                (self.joins[&number], 0)
            };
            (entry.draft.priority, entry.due_at, joined, submitted)
        };
        let mut heads = self.those(wanted);
        let first = heads.iter().map(|number| place(*number)).min();
        heads.retain(|number| Some(place(*number)) == first);
        heads
    }

    pub(super) fn is_alone(&self, number: u64) -> bool {
        self.entries[&number].counters.claimed_alone()
    }

    pub(super) fn hand_out(&mut self, number: u64, incarnation: IncarnationId) -> Token {
        let started = self.is_alone(number);
        let entry = self.shift(number, Verb::Claim, State::Running);
        entry.holder = Some(Holder {
            incarnation,
            started,
        });
        Token {
            id: entry.draft.id,
            claims: entry.counters.claims,
        }
    }

    pub(super) fn is_alive(&self, incarnation: IncarnationId) -> bool {
        self.leases.contains_key(&incarnation)
    }

    pub(super) fn held(&self, incarnation: IncarnationId, token: Token) -> Verdict<u64> {
        let number = self.number(token.id).ok_or(Kind::LeaseLost)?;
        let entry = &self.entries[&number];
        let holder = entry.holder.map(|holder| holder.incarnation);
        let holds = holder == Some(incarnation) && entry.counters.claims == token.claims;
        if holds && self.is_alive(incarnation) {
            return Ok(number);
        }
        Err(Kind::LeaseLost)
    }

    pub(super) fn done(&mut self, number: u64, result: ResultRecord, callbacks: Vec<Draft>) {
        let kept = self.entries[&number].draft.options.result_ttl;
        let kept_until = self.now.after(kept.unwrap_or(retention().succeeded));
        let entry = self.shift(number, Verb::Done, State::Succeeded);
        (entry.kept_until, entry.result) = (Some(kept_until), result);
        for callback in callbacks {
            let _ = self.submit(callback);
        }
    }

    pub(super) fn come_back(&mut self, number: u64, verb: Verb, wait: Duration) {
        self.calls += 1;
        self.wait(number, verb, self.now.after(wait));
    }

    pub(super) fn fail(&mut self, number: u64) {
        self.bury(number, Verb::Fail, Some(FailReason::Rejected));
    }

    pub(super) fn beat(&mut self, incarnation: IncarnationId, started: &[Token]) -> Verdict {
        if !self.is_alive(incarnation) {
            return Err(Kind::LeaseLost);
        }
        self.leases.insert(incarnation, self.uptime + limits::LEASE);
        for token in started {
            if let Ok(number) = self.held(incarnation, *token) {
                let holder = self.entry(number).holder.as_mut();
                holder.expect("it is held").started = true;
            }
        }
        Ok(())
    }

    fn held_by(&self, incarnation: IncarnationId) -> Vec<u64> {
        let held = self.entries.iter().filter(|(_, entry)| {
            entry
                .holder
                .is_some_and(|holder| holder.incarnation == incarnation)
        });
        held.map(|(number, _)| *number).collect()
    }

    pub(super) fn leave(&mut self, incarnation: IncarnationId) {
        self.calls += 1;
        for number in self.held_by(incarnation) {
            self.wait(number, Verb::Release, self.now);
        }
        self.leases.remove(&incarnation);
    }

    pub(super) fn revoke(&mut self, id: MessageId, skip_running: bool) -> Verdict {
        let number = self.find_for(Verb::Revoke, id)?;
        if skip_running && self.entries[&number].state == State::Running {
            return Err(Kind::WrongState);
        }
        self.bury(number, Verb::Revoke, None);
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        id: MessageId,
        priority: Option<u32>,
        start: Option<towpath_core::message::Start>,
    ) -> Verdict {
        let number = self.find_for(Verb::Update, id)?;
        let (state, due_at) = {
            let entry = &self.entries[&number];
            (entry.state, entry.due_at)
        };
        let asked = start.map(|start| start.resolve(self.now));
        let (state, due_at) = match asked {
            None => (state, due_at),
            Some(asked) if state == State::Ready && asked <= self.now => (state, due_at),
            Some(asked) => {
                self.calls += 1;
                self.note_join(number);
                self.waiting(asked)
            }
        };
        let entry = self.shift(number, Verb::Update, state);
        entry.due_at = due_at;
        entry.draft.priority = priority.unwrap_or(entry.draft.priority);
        entry.draft.start = start.unwrap_or(entry.draft.start);
        Ok(())
    }

    pub(super) fn requeue(&mut self, id: MessageId) -> Verdict {
        let number = self.find_for(Verb::Requeue, id)?;
        let now = self.now;
        self.calls += 1;
        self.wait(number, Verb::Requeue, now);
        let entry = self.entry(number);
        entry.expires_at = entry.draft.options.expires_in.map(|ttl| now.after(ttl));
        Ok(())
    }

    pub(super) fn replay(&mut self, id: MessageId, new_id: MessageId) -> Verdict {
        let entry = self.find(id).ok_or(Kind::NotFound)?;
        if !entry.state.is_terminal() {
            return Err(Kind::WrongState);
        }
        let mut draft = entry.draft.clone();
        draft.id = new_id;
        draft.start = towpath_core::message::Start::Now;
        draft.options.replay_of = Some(id);
        self.submit(draft)
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Verdict {
        let number = self.find_for(Verb::Remove, id)?;
        self.entries.remove(&number);
        Ok(())
    }

    pub(super) fn take(&mut self, id: MessageId) {
        let Some(number) = self.number(id) else {
            return;
        };
        let entry = self.entry(number);
        if matches!(entry.result, ResultRecord::Kept { .. }) {
            entry.result = ResultRecord::Taken;
        }
    }

    fn those(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<u64> {
        let entries = self.entries.iter().filter(|(_, entry)| wanted(entry));
        entries.map(|(number, _)| *number).collect()
    }

    pub(super) fn promote(&mut self) -> usize {
        self.calls += 1;
        let now = self.now;
        let due = self.those(|entry| entry.state == State::Scheduled && entry.due_at <= now);
        for number in &due {
            self.wait(*number, Verb::Promote, now);
        }
        due.len()
    }

    pub(super) fn expire(&mut self) -> usize {
        let now = self.now;
        let late = self.those(|entry| {
            matches!(entry.state, State::Scheduled | State::Ready)
                && entry.expires_at.is_some_and(|expires_at| expires_at <= now)
        });
        for number in &late {
            self.bury(*number, Verb::Expire, Some(FailReason::Expired));
        }
        late.len()
    }

    /// Answers how many came back, were given up, and how many workers were found dead.
    pub(super) fn rescue(&mut self) -> [usize; 3] {
        self.calls += 1;
        let uptime = self.uptime;
        let leases = self.leases.iter().filter(|(_, ends)| **ends <= uptime);
        let dead: Vec<IncarnationId> = leases.map(|(incarnation, _)| *incarnation).collect();
        let mut given_up = 0;
        let mut returned = 0;
        for incarnation in &dead {
            for number in self.held_by(*incarnation) {
                if self.lose(number) {
                    returned += 1;
                } else {
                    given_up += 1;
                }
            }
            self.leases.remove(incarnation);
        }
        [returned, given_up, dead.len()]
    }

    /// Answers whether the message comes back.
    fn lose(&mut self, number: u64) -> bool {
        let entry = &self.entries[&number];
        let losses = entry.counters.losses + 1;
        let (verb, wait) = if !entry.holder.expect("it is held").started {
            (Verb::Rescue, Duration::ZERO)
        } else if losses > limits::LOSSES {
            self.bury(number, Verb::GiveUp, Some(FailReason::Lost));
            return false;
        } else if losses == 1 {
            (Verb::RescueStarted, Duration::ZERO)
        } else {
            (Verb::RescueStarted, Backoff::default().get(losses))
        };
        self.wait(number, verb, self.now.after(wait));
        true
    }

    pub(super) fn prune(&mut self) -> usize {
        let before = self.entries.len();
        let succeeded = |entry: &Entry| entry.state == State::Succeeded;
        let dead = |entry: &Entry| matches!(entry.state, State::Failed | State::Revoked);
        self.prune_those(succeeded, retention().succeeded_count);
        self.prune_those(dead, retention().dead_count);
        before - self.entries.len()
    }

    fn prune_those(&mut self, wanted: impl Fn(&Entry) -> bool, count_max: u64) {
        let mut finished = self.those(wanted);
        finished.sort_by_key(|number| (self.entries[number].kept_until, *number));
        let mut left = finished.len() as u64;
        for number in finished {
            if left > count_max || self.entries[&number].kept_until <= Some(self.now) {
                self.entries.remove(&number);
                left -= 1;
            }
        }
    }

    pub(super) fn counts(&self) -> StateCounts {
        let count = |state| self.those(|entry| entry.state == state).len() as u64;
        StateCounts {
            scheduled: count(State::Scheduled),
            ready: count(State::Ready),
            running: count(State::Running),
            succeeded: count(State::Succeeded),
            failed: count(State::Failed),
            revoked: count(State::Revoked),
        }
    }
}

impl Entry {
    /// What a record of a store says, in the words of the map. The holder is not in a record; whether
    /// there is one is.
    pub(super) fn of(record: &Record, held: Option<Holder>) -> Self {
        assert_eq!(record.worker.is_some(), record.state == State::Running);
        assert_eq!(record.finished_at.is_some(), record.state.is_terminal());
        Self {
            draft: record.message.draft.clone(),
            state: record.state,
            counters: record.message.counters,
            due_at: record.due_at,
            expires_at: record.expires_at,
            kept_until: record.kept_until,
            reason: record.reason,
            result: record.result,
            holder: held,
        }
    }
}

/// Small enough that lives of a few dozen steps run into every bound of it.
pub(super) fn retention() -> Retention {
    Retention {
        succeeded: Duration::from_secs(40),
        dead: Duration::from_secs(60),
        succeeded_count: 4,
        dead_count: 4,
    }
}
