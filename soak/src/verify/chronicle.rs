//! What was done to the processes, and which second runs that explains.

use std::collections::HashMap;

use super::Attempt;

/// Something happened to a process between two times: the deed and its return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentence above says it")]
pub struct Span {
    pub process: u16,
    pub from: u64,
    pub to: u64,
}

/// Why a message ran again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The run before asked for it.
    AskedRetry,
    /// The process of the run before was killed.
    Killed,
    /// The process of the run before was stopped.
    Frozen,
    /// Another process was stopped in the middle of a transaction: nobody could renew a lease.
    StoodStill,
}

/// All that was done to processes.
#[derive(Debug, Clone, Default)]
pub struct Chronicle {
    deaths: HashMap<u16, Span>,
    freezes: Vec<Span>,
    still: Vec<Span>,
}

/// Between the look at the lease and the handler's first record a freeze may fall: such a run begins
/// when the process goes on. Also how long a freeze may be felt by those who waited for its end.
const AFTER_FREEZE: u64 = 2_000_000;
/// A run that ended so long before a kill or a freeze has been settled, or something else is wrong.
const SETTLED_WITHIN: u64 = 15_000_000;

impl Chronicle {
    /// The process was killed.
    pub fn died(&mut self, span: Span) {
        self.deaths.insert(span.process, span);
    }

    /// The process was stopped.
    pub fn froze(&mut self, span: Span) {
        self.freezes.push(span);
    }

    /// The freezes.
    pub fn freezes(&self) -> &[Span] {
        &self.freezes
    }

    /// During this freeze the store accepted nothing from anybody.
    pub fn stood_still(&mut self, span: Span) {
        self.still.push(span);
    }

    /// How often the whole store stood still.
    pub fn still_count(&self) -> usize {
        self.still.len()
    }

    /// When a process was killed, if it was.
    pub fn death(&self, process: u16) -> Option<Span> {
        self.deaths.get(&process).copied()
    }

    /// Whether somebody was frozen at some moment between these two.
    pub fn anybody_frozen(&self, from: u64, to: u64) -> bool {
        self.freezes
            .iter()
            .any(|span| span.from <= to && from <= span.to + AFTER_FREEZE)
    }

    /// Why a message that had this run ran again.
    pub fn why_again(&self, before: &Attempt, again: &Attempt) -> Option<Cause> {
        let unsettled_at = |from: u64| {
            before.settled.is_none()
                && before
                    .ended
                    .is_none_or(|ended| ended + SETTLED_WITHIN >= from)
        };
        let lost_in = |span: &Span| {
            unsettled_at(span.from)
                && before.began <= span.to + AFTER_FREEZE
                && again.began >= span.from
        };
        if before.claims == again.claims {
            return None;
        }
        if before.asked_retry && before.ended.is_some_and(|ended| ended <= again.began) {
            return Some(Cause::AskedRetry);
        }
        let death = self.death(before.process);
        if death.is_some_and(|death| again.began >= death.from && unsettled_at(death.from)) {
            return Some(Cause::Killed);
        }
        if self
            .freezes
            .iter()
            .any(|span| span.process == before.process && lost_in(span))
        {
            return Some(Cause::Frozen);
        }
        self.still.iter().any(lost_in).then_some(Cause::StoodStill)
    }

    /// Whether two runs went on at the same time although neither a freeze nor a kill lies between.
    pub fn overlap(&self, before: &Attempt, again: &Attempt) -> bool {
        let end = match (before.ended, self.death(before.process)) {
            (Some(ended), _) => ended,
            (None, Some(death)) => death.from,
            // Nobody knows when a run ended that was dropped.
            (None, None) => return false,
        };
        let frozen = matches!(
            self.why_again(before, again),
            Some(Cause::Frozen | Cause::StoodStill)
        );
        again.began < end && !frozen
    }
}
