//! A message in the store.

use serde::Serialize;

use super::{Attempt, AttemptError, Draft};
use crate::clock::Timestamp;
use crate::ids::Token;
use crate::life::{Counters, FailReason, State, Status};
use crate::payload::Payload;

/// What a worker is handed: the draft as the store has it, and how often things have happened to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// What was asked for.
    #[serde(flatten)]
    pub draft: Draft,
    /// How often things have happened to it.
    #[serde(flatten)]
    pub counters: Counters,
    /// When the store accepted it.
    #[serde(rename = "submitted_at_ms")]
    pub submitted_at: Timestamp,
    /// What an earlier attempt saved for the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<Payload>,
}

impl std::ops::Deref for Message {
    type Target = Draft;
    fn deref(&self) -> &Draft {
        &self.draft
    }
}

impl Message {
    /// Proof of the claim under which it was handed out.
    pub fn token(&self) -> Token {
        Token {
            id: self.draft.id,
            claims: self.counters.claims,
        }
    }
}

/// What became of the result of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultRecord {
    /// There is none: the message has not succeeded.
    None,
    /// It is there.
    Kept {
        /// Its size in bytes.
        size: usize,
    },
    /// It was larger than its limit and was not kept.
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It was taken.
    Taken,
}

/// All that the store knows of one message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Where it is.
    pub state: State,
    /// Why it is a dead letter, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailReason>,
    /// When it was last moved.
    #[serde(rename = "updated_at_ms")]
    pub updated_at: Timestamp,
    /// Scheduled: when it is due. Ready: since when it waits.
    #[serde(rename = "due_at_ms")]
    pub due_at: Timestamp,
    /// After which time it will not be started any more.
    #[serde(rename = "expires_at_ms", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it reached its terminal state.
    #[serde(rename = "finished_at_ms", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Until when its record is kept, once terminal.
    #[serde(rename = "kept_until_ms", skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Timestamp>,
    /// Who holds it, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Its queue is paused, so it waits for that.
    pub paused: bool,
    /// What became of its result.
    pub result: ResultRecord,
    /// Its last attempts, oldest first, at most ten.
    pub attempts: Vec<Attempt>,
    /// What its handler last said of its progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<serde_json::Value>,
}

impl std::ops::Deref for Record {
    type Target = Message;
    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Record {
    /// What users are told of it.
    pub fn status(&self) -> Status {
        Status::of(self.state, self.message.counters.claims)
    }

    /// The error of its last attempt that had one.
    pub fn error(&self) -> Option<&AttemptError> {
        self.attempts
            .iter()
            .rev()
            .find_map(|attempt| attempt.error.as_ref())
    }
}
