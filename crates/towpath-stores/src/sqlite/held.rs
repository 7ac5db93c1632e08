//! What this process has claimed and not settled: the numbers of those messages, so that a settle need
//! not look for them. Only a hint: whether a token holds is decided in the file.

use std::collections::HashMap;
use std::time::Duration;

use towpath_core::MessageId;

/// How many are remembered before all are forgotten. Whoever holds more looks them up.
const HELD_MAX: usize = 50_000;

#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) n: i64,
    /// How long its success is kept, where the message says so itself.
    pub(super) ttl: Option<Duration>,
}

#[derive(Debug, Default)]
pub(super) struct HeldHere(HashMap<MessageId, Held>);

impl HeldHere {
    pub(super) fn insert(&mut self, id: MessageId, held: Held) {
        if self.0.len() >= HELD_MAX {
            self.0.clear();
        }
        self.0.insert(id, held);
    }

    pub(super) fn take(&mut self, id: MessageId) -> Option<Held> {
        self.0.remove(&id)
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
