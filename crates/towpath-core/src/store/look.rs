//! Looking at a store without changing it.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::message::Record;
use crate::name::{QueueName, TaskName};

/// A part of a store that is already in an order of its own, so that listing it needs no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Every message: the newest submitted first where the store keeps that order (see
    /// [`Capabilities::ordered`](super::Capabilities::ordered)), else section by section.
    All,
    /// Ready messages, line by line, each in its order.
    Ready,
    /// Scheduled messages, the soonest first.
    Scheduled,
    /// Messages held by workers.
    Running,
    /// Succeeded messages, by the end of their retention, the last to go first.
    Succeeded,
    /// Failed and revoked messages, by the end of their retention, the last to go first.
    Dead,
}

/// Where a window ended. Opaque: each store writes what it needs to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub Vec<i64>);

/// A request for one window.
#[derive(Debug, Clone)]
pub struct List {
    /// Which part of the store.
    pub section: Section,
    /// Where the window before ended; `None` for the first.
    pub after: Option<Cursor>,
    /// At most that many rows, and at most 500.
    pub limit: usize,
}

/// Some messages, and where to go on.
#[derive(Debug, Clone)]
pub struct Window {
    /// The messages, in the section's order. Messages that moved on between two windows may be
    /// missing or seen twice.
    pub records: Vec<Record>,
    /// How many rows were read for it.
    pub scanned: usize,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// How many messages are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "each field is named for its state")]
pub struct StateCounts {
    pub scheduled: u64,
    pub ready: u64,
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub revoked: u64,
}

/// One queue and its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueRecord {
    /// The queue.
    pub queue: QueueName,
    /// Whether it is paused.
    pub paused: bool,
    /// Its lines, by task.
    pub lines: Vec<LineCount>,
}

/// One line: the messages of one task in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineCount {
    /// The task.
    pub task: TaskName,
    /// How many messages are ready.
    pub ready: u64,
    /// Since when the oldest of the best priority waits.
    #[serde(rename = "head_ready_at_ms")]
    pub head_ready_at: Option<Timestamp>,
}
