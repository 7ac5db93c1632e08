//! Every bound of the system in one place, so that an error can name the limit it enforces.
//!
//! Sizes are bytes. A limit that a user may change has its default here and its setting where it is
//! used; the others are fixed because stored data relies on them.

use std::time::Duration;

use crate::error::{Error, Result};

/// Longest name of a queue, task, namespace or codec.
pub const NAME_BYTES: usize = 255;
/// Largest payload of a message (1 MiB).
pub const PAYLOAD_BYTES: usize = 1024 * 1024;
/// Largest result that is kept (1 MiB); a larger one leaves a mark, and the message has succeeded.
pub const RESULT_BYTES: usize = 1024 * 1024;
/// Largest metadata of a message, as JSON.
pub const METADATA_BYTES: usize = 64 * 1024;
/// Largest details (progress) and largest saved state of a message, each.
pub const SCRATCH_BYTES: usize = 64 * 1024;
/// Longest error text kept with an attempt; the rest is cut with a mark.
pub const ERROR_TEXT_BYTES: usize = 4 * 1024;
/// Longest trace kept with an attempt.
pub const TRACE_BYTES: usize = 4 * 1024;
/// How many attempts stay with a message, newest last.
pub const ATTEMPTS_KEPT: usize = 10;
/// How deep JSON and MessagePack values may nest.
pub const NESTING: usize = 128;
/// How long a chain of callbacks may be.
pub const CALLBACK_DEPTH: usize = 32;
/// Longest delay, timeout, expiry or retention: ten years.
pub const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
/// How often one message may be snoozed.
pub const SNOOZES: u32 = 1_000;
/// How many times the worker of a message may be lost before the message is given up.
pub const LOSSES: u32 = 5;
/// From this many losses on, a message is claimed alone, so that it endangers nobody else.
pub const LOSSES_BEFORE_ALONE: u32 = 2;
/// How many started tokens one heartbeat carries.
pub const STARTED_PER_HEARTBEAT: usize = 256;
/// Bytes of payloads after which a claim hands out no more: a worker is to hold what it can run soon, and a
/// store is not to read on and on while others wait.
pub const CLAIM_BYTES: usize = 4 * 1024 * 1024;
/// Most messages in one submit, claim or settle.
pub const BATCH: usize = 10_000;
/// Rows in one window of a list.
pub const WINDOW: usize = 500;
/// Most rows one step of upkeep touches.
pub const UPKEEP_ROWS: usize = 1_000;

/// Most keys or members in one call of a [`KvStore`](crate::store::KvStore).
pub const KV_BATCH: usize = 64;
/// Largest value that is published (64 KiB).
pub const PUBLISHED_BYTES: usize = 64 * 1024;
/// How many values a subscriber may be behind; then he misses the oldest.
pub const PUBLISHED_KEPT: usize = 1_024;
/// Most locks in one call of a [`LockStore`](crate::store::LockStore).
pub const LOCK_BATCH: usize = 1_000;
/// Most locks that end with one attempt.
pub const LINKED_LOCKS: usize = 16;

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(10);
/// How often a lease is renewed.
pub const HEARTBEAT: Duration = Duration::from_millis(2_500);

/// How long a succeeded message and its result are kept.
pub const KEEP_SUCCEEDED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a failed or revoked message is kept.
pub const KEEP_DEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most succeeded messages kept per namespace.
pub const KEEP_SUCCEEDED_COUNT: u64 = 1_000_000;
/// Most failed and revoked messages kept per namespace.
pub const KEEP_DEAD_COUNT: u64 = 100_000;

/// Refuses more of something in one call than its limit.
///
/// # Errors
///
/// [`Kind::Invalid`](crate::Kind::Invalid), naming the thing and the limit.
pub fn check_batch(things: &str, len: usize, limit: usize) -> Result<()> {
    if len > limit {
        return Err(Error::invalid(format!(
            "{len} {things} in one call, the limit is {limit}"
        )));
    }
    Ok(())
}

/// Cuts `text` to at most `limit` bytes on a character boundary and marks the cut.
pub fn cut(text: &str, limit: usize) -> String {
    const MARK: &str = "… (cut)";
    if text.len() <= limit {
        return text.to_owned();
    }
    let mut end = limit.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn cut_keeps_short_texts_and_never_splits_a_character() {
        assert_eq!(cut("short", 100), "short");
        let long = "é".repeat(100);
        let kept = cut(&long, 51);
        assert!(kept.len() <= 51, "{} bytes", kept.len());
        assert!(kept.ends_with("(cut)"));
    }
}
