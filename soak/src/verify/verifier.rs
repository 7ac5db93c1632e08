//! Judges one message after the other, and counts.

use std::collections::BTreeMap;

use serde::Serialize;
use towpath::FailReason;

use super::{Cause, Chronicle, History};
use crate::quantiles::Durations;

/// What the store says of a message at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It knows nothing of it.
    Unknown,
    /// It waits, or is being run.
    Unfinished,
    /// It has succeeded.
    Succeeded,
    /// It is a dead letter.
    Dead(FailReason),
}

/// What must never happen. Each is a line of the report that has to be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Accepted, and the store knows nothing of it.
    Lost,
    /// Its success was accepted, and it ran again or has not succeeded.
    Undone,
    /// It ran again, and nothing that was done or asked for explains it.
    RanAgainUnexplained,
    /// Two runs at the same time, both under a good lease.
    RanTwiceAtOnce,
    /// It has succeeded, and no handler came to its end.
    SucceededUnrun,
    /// It is a dead letter for another reason than lost workers.
    DeadUnexplained,
    /// Accepted, and not finished when the drain ended.
    Unfinished,
    /// Its submit was refused for good.
    SubmitRefused,
    /// A process ended that nobody had told to.
    EndedByItself,
    /// A process that was told to end did not end well.
    EndedBadly,
    /// What the store's doctor found.
    DoctorFindings,
    /// Lock files of workers that are all gone.
    LockFilesLeft,
}

impl Fault {
    /// All of them, in the order of the report.
    pub const ALL: [Fault; 12] = [
        Fault::Lost,
        Fault::Undone,
        Fault::RanAgainUnexplained,
        Fault::RanTwiceAtOnce,
        Fault::SucceededUnrun,
        Fault::DeadUnexplained,
        Fault::Unfinished,
        Fault::SubmitRefused,
        Fault::EndedByItself,
        Fault::EndedBadly,
        Fault::DoctorFindings,
        Fault::LockFilesLeft,
    ];

    /// The fault in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Fault::Lost => "accepted and lost",
            Fault::Undone => "settled and undone",
            Fault::RanAgainUnexplained => "ran again, unexplained",
            Fault::RanTwiceAtOnce => "ran twice at once, unexplained",
            Fault::SucceededUnrun => "succeeded without having run",
            Fault::DeadUnexplained => "dead for another reason than lost workers",
            Fault::Unfinished => "unfinished after the drain",
            Fault::SubmitRefused => "submits refused for good",
            Fault::EndedByItself => "processes that ended by themselves",
            Fault::EndedBadly => "processes that did not end well",
            Fault::DoctorFindings => "findings of the doctor",
            Fault::LockFilesLeft => "lock files left behind",
        }
    }
}

/// How often something was found, and the first few cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the sentence above says it")]
pub struct Found {
    pub count: u64,
    pub first: Vec<String>,
}

/// How many cases of one kind are told.
const TOLD_MAX: usize = 5;

impl Found {
    /// One more.
    pub fn add(&mut self, tell: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD_MAX {
            self.first.push(tell());
        }
    }
}

/// What became of the messages.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Messages {
    /// Acknowledged submits.
    pub accepted: u64,
    /// Messages that ran though nobody heard that they were accepted: their producer was killed.
    pub accepted_unheard: u64,
    /// Accepted messages that have succeeded.
    pub succeeded: u64,
    /// Accepted messages that are dead letters because their workers were lost too often.
    pub dead_lost: u64,
    /// Runs that began.
    pub runs: u64,
    /// Runs whose success a worker knew to be accepted.
    pub settled: u64,
    /// Second and later runs because the one before asked for it.
    pub again_asked: u64,
    /// … because the process of the one before was killed.
    pub again_killed: u64,
    /// … because the process of the one before was frozen.
    pub again_frozen: u64,
    /// … because the whole store stood still with a frozen process.
    pub again_still: u64,
    /// Runs that came to their end when another had begun; their settles are to be refused.
    pub late_ends: u64,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// What became of the messages.
    pub messages: Messages,
    /// From a kill to the run elsewhere of what was running, the first time a message was lost.
    pub recovery: Durations,
    /// The same where somebody was frozen meanwhile, who may have held the message or the store.
    pub recovery_frozen: Durations,
    /// The same for messages that had been lost before, which wait for a backoff.
    pub recovery_again: Durations,
    /// From the call of a submit to its answer.
    pub submit: Durations,
    /// From the time at which a message was to arrive to the answer of its submit.
    pub arrival: Durations,
    /// From the time at which a message was due to its first run.
    pub start: Durations,
    /// What must be 0.
    pub faults: BTreeMap<Fault, Found>,
}

impl Tally {
    /// Notes a fault.
    pub fn fault(&mut self, fault: Fault, tell: impl FnOnce() -> String) {
        self.faults.entry(fault).or_default().add(tell);
    }

    /// How often that was found.
    pub fn count(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).map_or(0, |found| found.count)
    }
}

/// Judges messages by what was done to the processes.
#[derive(Debug)]
pub struct Verifier<'a> {
    chronicle: &'a Chronicle,
    /// What was found so far.
    pub tally: Tally,
}

impl<'a> Verifier<'a> {
    /// A verifier that has seen nothing yet.
    pub fn new(chronicle: &'a Chronicle) -> Self {
        Self {
            chronicle,
            tally: Tally::default(),
        }
    }

    /// Judges one message.
    pub fn judge(&mut self, history: &History, standing: Standing) {
        self.submitted(history);
        self.ended(history, standing);
        self.settles(history, standing);
        self.tally.messages.runs += history.attempts.len() as u64;
        let mut lost_before = false;
        for pair in history.attempts.windows(2) {
            self.again(history, pair, &mut lost_before);
        }
    }

    fn submitted(&mut self, history: &History) {
        let tell = || format!("{history:?}");
        if history.refused {
            self.tally.fault(Fault::SubmitRefused, tell);
        }
        let Some(accepted) = history.accepted else {
            self.tally.messages.accepted_unheard += u64::from(!history.attempts.is_empty());
            return;
        };
        self.tally.messages.accepted += 1;
        self.tally.submit.add(accepted.number.into());
        self.tally
            .arrival
            .add(accepted.at.saturating_sub(accepted.since));
        let delay = history.mix.delay(history.name).as_micros();
        let due = accepted.since + u64::try_from(delay).unwrap_or(u64::MAX);
        if let Some(first) = history.attempts.first() {
            self.tally.start.add(first.began.saturating_sub(due));
        }
    }

    fn ended(&mut self, history: &History, standing: Standing) {
        let tell = || format!("{standing:?}: {history:?}");
        let was_accepted = history.accepted.is_some();
        match standing {
            Standing::Unknown if was_accepted => self.tally.fault(Fault::Lost, tell),
            Standing::Unfinished if was_accepted => self.tally.fault(Fault::Unfinished, tell),
            Standing::Unknown | Standing::Unfinished => {}
            Standing::Succeeded => {
                self.tally.messages.succeeded += u64::from(was_accepted);
                let ended =
                    |attempt: &super::Attempt| attempt.ended.is_some() && !attempt.asked_retry;
                if !history.attempts.iter().any(ended) {
                    self.tally.fault(Fault::SucceededUnrun, tell);
                }
            }
            Standing::Dead(FailReason::Lost) => {
                self.tally.messages.dead_lost += u64::from(was_accepted);
            }
            Standing::Dead(_) => self.tally.fault(Fault::DeadUnexplained, tell),
        }
    }

    fn settles(&mut self, history: &History, standing: Standing) {
        let Some(settled) = history.settled() else {
            return;
        };
        self.tally.messages.settled += 1;
        let ran_on = history
            .attempts
            .iter()
            .any(|attempt| attempt.claims > settled.claims);
        if ran_on || standing != Standing::Succeeded {
            self.tally
                .fault(Fault::Undone, || format!("{standing:?}: {history:?}"));
        }
    }

    fn again(&mut self, history: &History, pair: &[super::Attempt], lost_before: &mut bool) {
        let [before, again] = pair else { return };
        if before.ended.is_some_and(|ended| ended > again.began) {
            self.tally.messages.late_ends += 1;
        }
        if self.chronicle.overlap(before, again) {
            self.tally
                .fault(Fault::RanTwiceAtOnce, || format!("{history:?}"));
        }
        match self.chronicle.why_again(before, again) {
            None => self
                .tally
                .fault(Fault::RanAgainUnexplained, || format!("{history:?}")),
            Some(Cause::AskedRetry) => self.tally.messages.again_asked += 1,
            Some(Cause::Frozen) => self.tally.messages.again_frozen += 1,
            Some(Cause::StoodStill) => self.tally.messages.again_still += 1,
            Some(Cause::Killed) => {
                self.tally.messages.again_killed += 1;
                let death = self
                    .chronicle
                    .death(before.process)
                    .map_or(0, |death| death.from);
                let recovery = if *lost_before {
                    &mut self.tally.recovery_again
                } else if self.chronicle.anybody_frozen(death, again.began) {
                    &mut self.tally.recovery_frozen
                } else {
                    &mut self.tally.recovery
                };
                recovery.add(again.began.saturating_sub(death));
                *lost_before = true;
            }
        }
    }
}
