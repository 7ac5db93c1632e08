//! Which messages of a list are meant.

use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::{FailReason, QueueName, State, TaskName, Timestamp};

/// Selects messages of a list; what is not set selects all.
///
/// Filters run in the client, over windows of a section that the store already has in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Only of this queue.
    pub queue: Option<QueueName>,
    /// Only of this task.
    pub task: Option<TaskName>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only dead letters of this reason.
    pub reason: Option<FailReason>,
    /// Only submitted at least that long ago.
    pub older_than: Option<Duration>,
    /// Only submitted at most that long ago.
    pub newer_than: Option<Duration>,
    /// Only with this text in the name or text of their last error.
    pub error_contains: Option<String>,
    /// Only with these metadata; the values are compared as the texts people write.
    pub metadata: Vec<(String, String)>,
    /// Says that everything is meant: without it an empty filter is refused.
    pub everything: bool,
}

impl Filter {
    /// Selects everything, and says that this is meant.
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// Whether nothing was set, by oversight perhaps.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the message is selected, at the time `now` of the store.
    pub fn matches(&self, record: &Record, now: Timestamp) -> bool {
        let is = |wanted: Option<bool>| wanted.unwrap_or(true);
        let age = now.since(record.submitted_at);
        is(self.queue.as_ref().map(|queue| *queue == record.queue))
            && is(self.task.as_ref().map(|task| *task == record.task))
            && is(self.state.map(|state| state == record.state))
            && is(self.reason.map(|reason| Some(reason) == record.reason))
            && is(self.older_than.map(|limit| age >= limit))
            && is(self.newer_than.map(|limit| age <= limit))
            && is(self.error_contains.as_ref().map(|text| {
                let error = record.error();
                error.is_some_and(|e| e.name.contains(text) || e.text.contains(text))
            }))
            && self.metadata.iter().all(|(name, wanted)| {
                let value = record.options.metadata.get(name);
                value.is_some_and(|value| match value {
                    serde_json::Value::String(text) => text == wanted,
                    other => wanted == &other.to_string(),
                })
            })
    }
}
