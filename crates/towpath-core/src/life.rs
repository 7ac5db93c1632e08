//! The life of a message: its states, the verbs that move it, and what each does to the counters.
//!
//! ```text
//!            submit (delay)            claim              done
//!        ┌────► scheduled ──promote──► ready ────────► running ────────► succeeded
//! submit ┤          ▲                   ▲ ▲             │ │ │
//!        └──────────┼───────────────────┘ └── release ──┘ │ └─ fail, exhaust, give up ─► failed
//!                   └── retry, snooze, rescue with wait ──┘            requeue: failed, revoked ─► ready
//! ```
//!
//! [`TABLE`] is the agreement that every store keeps, row by row; the conformance suite and the model
//! test read it from here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its time.
    Scheduled,
    /// Waits for a worker.
    Ready,
    /// Held by a worker under a lease.
    Running,
    /// Ran to its end.
    Succeeded,
    /// Will not be tried again: a dead letter.
    Failed,
    /// Was called off.
    Revoked,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [State; 6] = [
        State::Scheduled,
        State::Ready,
        State::Running,
        State::Succeeded,
        State::Failed,
        State::Revoked,
    ];

    /// Whether nothing more happens to the message by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, State::Succeeded | State::Failed | State::Revoked)
    }

    /// The state as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Ready => "ready",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Revoked => "revoked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Its time came.
    Promote,
    /// A worker took it, under a lease.
    Claim,
    /// Its attempt succeeded.
    Done,
    /// Its attempt failed and will be repeated.
    Retry,
    /// Its attempt failed for good: rejected, or its retries are spent.
    Fail,
    /// Its worker gave it back without an attempt.
    Release,
    /// Its handler asked to be run later, without counting an attempt.
    Snooze,
    /// Its worker was lost before the attempt had started.
    Rescue,
    /// Its worker was lost during the attempt.
    RescueStarted,
    /// Its worker was lost once too often.
    GiveUp,
    /// It was not run before it expired.
    Expire,
    /// It was called off.
    Revoke,
    /// Its priority, time, metadata or payload was changed.
    Update,
    /// A dead letter was put back.
    Requeue,
    /// It was deleted by hand.
    Remove,
    /// It was deleted because its retention ended.
    Prune,
}

/// What a verb does to one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The counter stays.
    Keep,
    /// The counter grows by one.
    Up,
    /// The counter starts again at zero.
    Zero,
}

impl Change {
    /// The counter after the change.
    pub fn of(self, counter: u32) -> u32 {
        match self {
            Change::Keep => counter,
            Change::Up => counter.saturating_add(1),
            Change::Zero => 0,
        }
    }
}

/// One row of [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The verb.
    pub verb: Verb,
    /// The states it may start from.
    pub from: &'static [State],
    /// The states it may lead to; none when the message is gone.
    pub to: &'static [State],
    /// What it does to the counters.
    pub change: CounterChange,
}

/// What a verb does to each counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterChange {
    /// How often the message was claimed: the number of its token.
    pub claims: Change,
    /// How many retries it has spent.
    pub retries: Change,
    /// How often its worker was lost during an attempt.
    pub losses: Change,
    /// How often its worker was lost before an attempt.
    pub strays: Change,
    /// How often it was snoozed.
    pub snoozes: Change,
}

const SAME: CounterChange = CounterChange {
    claims: Change::Keep,
    retries: Change::Keep,
    losses: Change::Keep,
    strays: Change::Keep,
    snoozes: Change::Keep,
};

const fn rule(
    verb: Verb,
    from: &'static [State],
    to: &'static [State],
    change: CounterChange,
) -> Rule {
    Rule {
        verb,
        from,
        to,
        change,
    }
}

/// Every legal move. What is not here is refused as [`Kind::WrongState`].
pub const TABLE: [Rule; 16] = {
    use Change::{Up, Zero};
    use State::{Failed, Ready, Revoked, Running, Scheduled, Succeeded};
    [
        rule(Verb::Promote, &[Scheduled], &[Ready], SAME),
        rule(
            Verb::Claim,
            &[Ready],
            &[Running],
            CounterChange { claims: Up, ..SAME },
        ),
        rule(Verb::Done, &[Running], &[Succeeded], SAME),
        rule(
            Verb::Retry,
            &[Running],
            &[Scheduled, Ready],
            CounterChange {
                retries: Up,
                strays: Zero,
                ..SAME
            },
        ),
        rule(Verb::Fail, &[Running], &[Failed], SAME),
        rule(Verb::Release, &[Running], &[Ready], SAME),
        rule(
            Verb::Snooze,
            &[Running],
            &[Scheduled, Ready],
            CounterChange {
                snoozes: Up,
                strays: Zero,
                ..SAME
            },
        ),
        rule(
            Verb::Rescue,
            &[Running],
            &[Ready],
            CounterChange { strays: Up, ..SAME },
        ),
        rule(
            Verb::RescueStarted,
            &[Running],
            &[Scheduled, Ready],
            CounterChange { losses: Up, ..SAME },
        ),
        rule(
            Verb::GiveUp,
            &[Running],
            &[Failed],
            CounterChange { losses: Up, ..SAME },
        ),
        rule(Verb::Expire, &[Scheduled, Ready], &[Failed], SAME),
        rule(Verb::Revoke, &[Scheduled, Ready, Running], &[Revoked], SAME),
        rule(Verb::Update, &[Scheduled, Ready], &[Scheduled, Ready], SAME),
        rule(
            Verb::Requeue,
            &[Failed, Revoked],
            &[Ready],
            CounterChange {
                retries: Zero,
                losses: Zero,
                strays: Zero,
                snoozes: Zero,
                ..SAME
            },
        ),
        rule(
            Verb::Remove,
            &[Scheduled, Ready, Succeeded, Failed, Revoked],
            &[],
            SAME,
        ),
        rule(Verb::Prune, &[Succeeded, Failed, Revoked], &[], SAME),
    ]
};

impl Verb {
    /// The verb's row of [`TABLE`].
    pub fn rule(self) -> &'static Rule {
        TABLE
            .iter()
            .find(|rule| rule.verb == self)
            .expect("the table has a row for every verb")
    }

    /// Refuses the verb in a state that it may not start from.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`], naming the verb, the state and the states it is allowed in.
    pub fn check(self, state: State) -> Result<()> {
        let rule = self.rule();
        if rule.from.contains(&state) {
            return Ok(());
        }
        let allowed: Vec<_> = rule.from.iter().map(|state| state.as_str()).collect();
        let allowed = allowed.join(", ");
        let verb = format!("{self:?}").to_lowercase();
        Err(Error::new(
            Kind::WrongState,
            format!("cannot {verb} a message that is {state} (it must be {allowed})"),
        ))
    }
}

/// How often things have happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Claims: the number of its token. Never goes down.
    pub claims: u32,
    /// Retries spent.
    pub retries: u32,
    /// Times its worker was lost during an attempt.
    pub losses: u32,
    /// Times in a row its worker was lost before the attempt was known to have started.
    pub strays: u32,
    /// Times it was snoozed.
    pub snoozes: u32,
}

impl Counters {
    /// The counters after `verb`, as its row of [`TABLE`] says.
    #[must_use]
    pub fn after(self, verb: Verb) -> Self {
        let change = verb.rule().change;
        Self {
            claims: change.claims.of(self.claims),
            retries: change.retries.of(self.retries),
            losses: change.losses.of(self.losses),
            strays: change.strays.of(self.strays),
            snoozes: change.snoozes.of(self.snoozes),
        }
    }

    /// Whether the message is to be claimed alone, because it may be what ends its workers.
    ///
    /// A message claimed alone counts as started from its claim, so one that ends its worker faster
    /// than any heartbeat can tell of it still runs out of losses, and none that was merely
    /// prefetched beside it does.
    pub fn claimed_alone(&self) -> bool {
        self.losses.saturating_add(self.strays) >= crate::limits::LOSSES_BEFORE_ALONE
    }
}

/// Why a message is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// Its retries are spent.
    Exhausted,
    /// Its handler, or its payload, said that trying again cannot help.
    Rejected,
    /// Its worker was lost more often than allowed.
    Lost,
    /// It was not run in time.
    Expired,
}

impl FailReason {
    /// Every reason.
    pub const ALL: [FailReason; 4] = [
        FailReason::Exhausted,
        FailReason::Rejected,
        FailReason::Lost,
        FailReason::Expired,
    ];

    /// The reason as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            FailReason::Exhausted => "exhausted",
            FailReason::Rejected => "rejected",
            FailReason::Lost => "lost",
            FailReason::Expired => "expired",
        }
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What users are told of a message: a function of its record, never stored apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The store has no record of it: never submitted, removed, or pruned.
    Unknown,
    /// Waits, and never ran.
    Submitted,
    /// Held by a worker.
    Running,
    /// Waits after an attempt that failed, was lost or was given back.
    Retrying,
    /// Ran to its end.
    Succeeded,
    /// A dead letter.
    Failed,
    /// Was called off.
    Revoked,
}

impl Status {
    /// The status of a message in `state` that was claimed `claims` times.
    pub fn of(state: State, claims: u32) -> Self {
        match state {
            State::Scheduled | State::Ready if claims == 0 => Status::Submitted,
            State::Scheduled | State::Ready => Status::Retrying,
            State::Running => Status::Running,
            State::Succeeded => Status::Succeeded,
            State::Failed => Status::Failed,
            State::Revoked => Status::Revoked,
        }
    }

    /// Whether nothing more happens to the message by itself.
    pub fn is_terminal(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed | Status::Revoked)
    }

    /// The status as one upper-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Unknown => "UNKNOWN",
            Status::Submitted => "SUBMITTED",
            Status::Running => "RUNNING",
            Status::Retrying => "RETRYING",
            Status::Succeeded => "SUCCEEDED",
            Status::Failed => "FAILED",
            Status::Revoked => "REVOKED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_one_row_and_terminal_states_only_leave_by_hand() {
        for rule in &TABLE {
            assert_eq!(
                TABLE.iter().filter(|other| other.verb == rule.verb).count(),
                1
            );
            let by_hand = matches!(rule.verb, Verb::Requeue | Verb::Remove | Verb::Prune);
            let leaves_terminal = rule.from.iter().any(|state| state.is_terminal());
            assert_eq!(leaves_terminal, by_hand, "{:?}", rule.verb);
        }
    }

    #[test]
    fn claims_never_go_down() {
        for rule in &TABLE {
            assert_ne!(rule.change.claims, Change::Zero, "{:?}", rule.verb);
        }
        let counters = Counters {
            claims: 7,
            retries: 3,
            losses: 2,
            strays: 1,
            snoozes: 4,
        };
        assert_eq!(
            counters.after(Verb::Requeue),
            Counters {
                claims: 7,
                ..Counters::default()
            }
        );
        assert_eq!(counters.after(Verb::Claim).claims, 8);
    }

    #[test]
    fn a_refusal_names_verb_state_and_what_would_do() {
        let error = Verb::Update.check(State::Running).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        let expected = "cannot update a message that is running (it must be scheduled, ready)";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn status_is_a_function_of_the_record() {
        let check = |state, claims, expected| assert_eq!(Status::of(state, claims), expected);
        check(State::Scheduled, 0, Status::Submitted);
        check(State::Ready, 0, Status::Submitted);
        check(State::Ready, 1, Status::Retrying);
        check(State::Scheduled, 2, Status::Retrying);
        check(State::Running, 1, Status::Running);
        check(State::Succeeded, 1, Status::Succeeded);
        check(State::Failed, 0, Status::Failed);
        check(State::Revoked, 0, Status::Revoked);
    }

    #[test]
    fn a_message_is_claimed_alone_after_its_second_loss() {
        let counters = |losses, strays| Counters {
            losses,
            strays,
            ..Counters::default()
        };
        assert!(!counters(1, 0).claimed_alone());
        assert!(counters(2, 0).claimed_alone());
        assert!(counters(1, 1).claimed_alone());
        assert!(counters(0, 2).claimed_alone());
    }
}
