//! May a failed attempt be tried again, and when?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;

/// How many retries a message has: runs after the first one.
///
/// `Retries::AtMost(0)` is one run and no retry. There is no limit only when it is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retries {
    /// At most that many retries.
    AtMost(u32),
    /// As many as it takes.
    Unlimited,
}

impl Default for Retries {
    /// Three retries: four runs.
    fn default() -> Self {
        Retries::AtMost(3)
    }
}

impl From<u32> for Retries {
    fn from(retries: u32) -> Self {
        Retries::AtMost(retries)
    }
}

impl Retries {
    /// Whether one more retry is allowed after `spent` of them.
    pub fn allow(self, spent: u32) -> bool {
        match self {
            Retries::AtMost(limit) => spent < limit,
            Retries::Unlimited => true,
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after that long, counted from the failure.
    Retry(Duration),
    /// All retries are spent.
    Exhausted,
}

/// Decides what follows a failed attempt of a message that has spent `spent` retries.
///
/// The wait is the backoff of the coming retry, or `asked` where the handler named its own.
/// `random` in 0..1 spreads it.
pub fn next(
    retries: Retries,
    spent: u32,
    backoff: &Backoff,
    asked: Option<Duration>,
    random: f64,
) -> Next {
    if !retries.allow(spent) {
        return Next::Exhausted;
    }
    Next::Retry(asked.unwrap_or_else(|| backoff.delay(spent.saturating_add(1), random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_retries_counts_retries_and_not_runs() {
        let second = Duration::from_secs(1);
        let backoff = Backoff::constant(second).floor(Duration::ZERO);
        let check = |retries, spent, expected| {
            assert_eq!(
                next(retries, spent, &backoff, None, 0.0),
                expected,
                "{retries:?} {spent}"
            );
        };
        check(Retries::AtMost(0), 0, Next::Exhausted);
        check(Retries::AtMost(1), 0, Next::Retry(second));
        check(Retries::AtMost(1), 1, Next::Exhausted);
        check(Retries::default(), 2, Next::Retry(second));
        check(Retries::default(), 3, Next::Exhausted);
        check(Retries::Unlimited, u32::MAX, Next::Retry(second));
    }

    #[test]
    fn the_handlers_own_delay_wins_over_the_backoff_but_not_over_the_limit() {
        let backoff = Backoff::constant(Duration::from_secs(60));
        let asked = Some(Duration::from_secs(5));
        assert_eq!(
            next(Retries::AtMost(1), 0, &backoff, asked, 0.5),
            Next::Retry(Duration::from_secs(5))
        );
        assert_eq!(
            next(Retries::AtMost(1), 1, &backoff, asked, 0.5),
            Next::Exhausted
        );
    }
}
