//! What keeps a store in order: promoting, rescuing, expiring, pruning, auditing.

use std::time::Duration;

use serde::Serialize;

use super::Cursor;
use crate::clock::Timestamp;
use crate::limits;

/// How long and how many finished messages are kept. What is kept for no time at all may be gone as soon
/// as it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long a succeeded message and its result are kept (24 hours), unless it says otherwise.
    pub succeeded: Duration,
    /// How long a failed or revoked message is kept (7 days).
    pub dead: Duration,
    /// Most succeeded messages kept (1,000,000).
    pub succeeded_count: u64,
    /// Most failed and revoked messages kept (100,000).
    pub dead_count: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            succeeded: limits::KEEP_SUCCEEDED,
            dead: limits::KEEP_DEAD,
            succeeded_count: limits::KEEP_SUCCEEDED_COUNT,
            dead_count: limits::KEEP_DEAD_COUNT,
        }
    }
}

/// The answer of promote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Promoted {
    /// How many messages became ready.
    pub moved: usize,
    /// When the next one is due; may have passed when `max` was reached.
    pub next_due: Option<Timestamp>,
}

/// The answer of rescue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rescued {
    /// How many messages wait again.
    pub returned: usize,
    /// How many became dead letters because their worker was lost once too often.
    pub given_up: usize,
    /// How many workers were found dead.
    pub workers: usize,
}

/// The answer of prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many messages were deleted.
    pub removed: usize,
    /// Whether more could be deleted at once.
    pub more: bool,
}

/// The answer of one step of an audit.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// How many messages were looked at.
    pub scanned: usize,
    /// What was wrong and was mended.
    pub mended: Vec<Finding>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: a message, a queue, the file.
    pub about: String,
    /// What is wrong, and the way out.
    pub problem: String,
}
