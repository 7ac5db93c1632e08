//! Which messages a worker asks for, and in which order it gets them.

use std::sync::Arc;

use crate::ids::IncarnationId;
use crate::name::{QueueName, TaskName};

/// What a worker takes, and what first.
///
/// Names match exactly. Inside one queue the lines of the tasks asked for are merged by (priority,
/// time of becoming ready, store sequence): of two lines of one priority the one whose head waits
/// longest goes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every queue, the non-empty ones in turn, one message each.
    Any {
        /// The tasks the worker knows.
        tasks: Vec<TaskName>,
    },
    /// These queues, in strict order of preference: a later one only when all before are empty.
    Queues {
        /// The queues, the preferred first.
        queues: Vec<QueueName>,
        /// The tasks the worker knows.
        tasks: Vec<TaskName>,
    },
    /// These tasks of these queues: strict by queue, then by the order of the tasks, then priority.
    Tasks(Vec<(QueueName, Vec<TaskName>)>),
}

/// A request for messages.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who asks. It must have joined.
    pub incarnation: IncarnationId,
    /// At most that many.
    pub max: usize,
    /// From so many on, at least 1, the store may stop although more are ready, where that is less work. An answer of
    /// fewer says that no more were ready, unless the claim was cut short.
    pub enough: usize,
    /// Which ones.
    pub selection: Arc<Selection>,
    /// Grows by one with every claim of a worker; with [`Selection::Any`] it says which queue
    /// begins, so that none is always last.
    pub turn: u64,
}
