//! What single verbs answer.

use crate::clock::Timestamp;
use crate::life::{FailReason, Status};
use crate::message::AttemptError;
use crate::payload::Payload;

/// What a revoke found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The message waited; it will not run.
    Waiting,
    /// The message is being run; its worker is told and its attempt is dropped.
    Running,
}

/// The little that waiters ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brief {
    /// What users are told of it.
    pub status: Status,
    /// How often it was claimed. (claims, status) only ever grows, until somebody requeues a dead
    /// letter: that begins another life, whose status falls back.
    pub claims: u32,
    /// Grows whenever its details change.
    pub details: u32,
}

impl Brief {
    /// What is said of a message that the store does not know.
    pub const UNKNOWN: Brief = Brief {
        status: Status::Unknown,
        claims: 0,
        details: 0,
    };
}

/// What was found when a result was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum ResultRead {
    /// The store does not know the message.
    Unknown,
    /// The message has not ended.
    Waiting,
    /// The result.
    Value {
        /// The value; `None` for a message that keeps no result.
        payload: Option<Payload>,
        /// When the message succeeded.
        finished_at: Timestamp,
    },
    /// The message succeeded, its result was larger than its limit.
    TooLarge {
        /// The size in bytes.
        size: usize,
    },
    /// The message succeeded, its result was taken.
    Taken,
    /// The message is a dead letter.
    Failed {
        /// Why.
        reason: FailReason,
        /// What its last attempt said, if it had one.
        error: Option<AttemptError>,
    },
    /// The message was revoked.
    Revoked,
}
