//! What the store knows of one message, and where it stands.

use towpath_core::life::Counters;
use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, Message, Record, ResultRecord};
use towpath_core::store::{Brief, StoredResult};
use towpath_core::{Draft, FailReason, IncarnationId, Payload, State, Status, Timestamp, Token};

use super::lines::Rank;

/// The store sequence: the number of a message in the order of submits. Signed, as cursors are.
pub(super) type Seq = i64;

/// All that is known of one message.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) seq: Seq,
    pub(super) draft: Draft,
    pub(super) counters: Counters,
    pub(super) place: Place,
    pub(super) submitted_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// Scheduled: when it is due. Ready: since when it waits.
    pub(super) due_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) saved: Option<Payload>,
    pub(super) details: Option<serde_json::Value>,
    /// How often its details were set.
    pub(super) details_set: u32,
    pub(super) attempts: Vec<Attempt>,
}

/// Where a message stands, with what is only known of it there.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Scheduled,
    Ready,
    Running(Hold),
    Succeeded { ended: Ended, result: KeptResult },
    Failed { ended: Ended, reason: FailReason },
    Revoked { ended: Ended },
}

/// The worker that holds a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) incarnation: IncarnationId,
    /// When its attempt is known to have started: only then does a lost worker count as a loss.
    pub(super) started_at: Option<Timestamp>,
}

/// When a message ended, and until when that is remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) kept_until: Timestamp,
}

/// What is left of a result.
#[derive(Debug, Clone)]
pub(super) enum KeptResult {
    Stored(StoredResult),
    Taken,
}

impl Place {
    pub(super) fn state(&self) -> State {
        match self {
            Place::Scheduled => State::Scheduled,
            Place::Ready => State::Ready,
            Place::Running(_) => State::Running,
            Place::Succeeded { .. } => State::Succeeded,
            Place::Failed { .. } => State::Failed,
            Place::Revoked { .. } => State::Revoked,
        }
    }

    pub(super) fn hold(&self) -> Option<Hold> {
        match self {
            Place::Running(hold) => Some(*hold),
            _ => None,
        }
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        match self {
            Place::Succeeded { ended, .. }
            | Place::Failed { ended, .. }
            | Place::Revoked { ended } => Some(*ended),
            _ => None,
        }
    }
}

impl Row {
    pub(super) fn state(&self) -> State {
        self.place.state()
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.place, Place::Scheduled | Place::Ready)
    }

    /// Its place in its line, while it is ready.
    pub(super) fn rank(&self) -> Rank {
        Rank {
            priority: self.draft.priority,
            ready_at: self.due_at,
            seq: self.seq,
        }
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    pub(super) fn token(&self) -> Token {
        Token {
            id: self.draft.id,
            claims: self.counters.claims,
        }
    }

    /// Adds an attempt and forgets the oldest beyond those that are kept.
    pub(super) fn remember(&mut self, attempt: Attempt) {
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }

    /// What a worker is handed.
    pub(super) fn message(&self) -> Message {
        Message {
            draft: self.draft.clone(),
            counters: self.counters,
            submitted_at: self.submitted_at,
            saved: self.saved.clone(),
        }
    }

    pub(super) fn brief(&self) -> Brief {
        Brief {
            status: Status::of(self.state(), self.counters.claims),
            claims: self.counters.claims,
            details: self.details_set,
        }
    }

    /// What a reader finds. `worker` is who holds it; `queue_paused` whether its queue is paused.
    pub(super) fn record(&self, worker: Option<String>, queue_paused: bool) -> Record {
        let ended = self.place.ended();
        Record {
            message: self.message(),
            state: self.state(),
            reason: match self.place {
                Place::Failed { reason, .. } => Some(reason),
                _ => None,
            },
            updated_at: self.updated_at,
            due_at: self.due_at,
            expires_at: self.expires_at,
            finished_at: ended.map(|ended| ended.at),
            kept_until: ended.map(|ended| ended.kept_until),
            worker,
            paused: queue_paused && self.waits(),
            result: self.result_record(),
            attempts: self.attempts.clone(),
            details: self.details.clone(),
        }
    }

    fn result_record(&self) -> ResultRecord {
        match &self.place {
            Place::Succeeded { result, .. } => match result {
                KeptResult::Taken => ResultRecord::Taken,
                KeptResult::Stored(StoredResult::None) => ResultRecord::None,
                KeptResult::Stored(StoredResult::Value(payload)) => ResultRecord::Kept {
                    size: payload.len(),
                },
                KeptResult::Stored(StoredResult::TooLarge { size }) => {
                    ResultRecord::TooLarge { size: *size }
                }
            },
            _ => ResultRecord::None,
        }
    }
}
