//! The end of an attempt.

use std::time::Duration;

use super::{Claim, LockToken};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::{IncarnationId, Token};
use crate::life::FailReason;
use crate::message::{AttemptError, Draft, Message};
use crate::payload::Payload;

/// What is kept of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredResult {
    /// Nothing.
    None,
    /// The value.
    Value(Payload),
    /// Only that it was larger than its limit.
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It succeeded.
    Done {
        /// What it gave.
        result: StoredResult,
        /// What its success submits.
        callbacks: Vec<Draft>,
    },
    /// It failed and is repeated that long after the store learns of it; zero is at once.
    Retry {
        /// The wait.
        after: Duration,
        /// What went wrong.
        error: AttemptError,
    },
    /// It failed for good.
    Fail {
        /// Why it is not repeated.
        reason: FailReason,
        /// What went wrong.
        error: AttemptError,
    },
    /// It is given back and waits again, at the place in its line that its time of becoming ready
    /// gives it now.
    Release,
    /// It asks to be run later. A message that was snoozed 1,000 times fails as `rejected`.
    Snooze {
        /// How much later; zero is at once.
        after: Duration,
    },
}

/// The end of one attempt, under its token.
#[derive(Debug, Clone, PartialEq)]
pub struct Settle {
    /// Proof of the claim.
    pub token: Token,
    /// When the handler started, on the worker's clock; `None` when it never did.
    pub started_at: Option<Timestamp>,
    /// How it ended.
    pub verdict: Verdict,
    /// Locks that end with the attempt, whatever its verdict: released in the same step, if the settle is
    /// accepted. One that is not held any more is passed over. At most
    /// [`LINKED_LOCKS`](crate::limits::LINKED_LOCKS).
    pub unlock: Vec<LockToken>,
}

/// Ends of attempts of one incarnation, and what it wants next.
#[derive(Debug, Clone)]
pub struct SettleRequest {
    /// Whose attempts.
    pub incarnation: IncarnationId,
    /// The attempts that ended.
    pub items: Vec<Settle>,
    /// What to claim in the same step.
    pub claim: Option<Claim>,
}

/// The answer to a [`SettleRequest`].
#[derive(Debug)]
pub struct Settled {
    /// One answer per item, in order.
    pub items: Vec<Result<()>>,
    /// What was claimed.
    pub claimed: Vec<Message>,
}
