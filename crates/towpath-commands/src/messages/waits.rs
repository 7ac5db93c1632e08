//! What a message waits for.

use serde::Serialize;
use towpath_core::message::Record;
use towpath_core::store::WorkerRecord;
use towpath_core::{State, Timestamp};

use crate::output::age;

/// One thing that must happen before a message runs.
#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub(crate) enum Waits {
    /// Its time.
    Time { until_ms: Timestamp },
    /// Its queue is paused.
    Resume { queue: String },
    /// A free worker that listens to its queue and knows its task.
    Worker {
        queue: String,
        task: String,
        /// How many workers are there at all.
        connected: usize,
        /// How many of them know the task.
        knowing: usize,
    },
}

/// What `record` waits for, the first first; nothing when it runs or has ended.
pub(crate) fn waits(record: &Record, workers: &[WorkerRecord]) -> Vec<Waits> {
    let queue = record.queue.to_string();
    let mut waits = Vec::new();
    if record.state == State::Scheduled {
        waits.push(Waits::Time {
            until_ms: record.due_at,
        });
    }
    if record.paused && !record.state.is_terminal() && record.state != State::Running {
        waits.push(Waits::Resume {
            queue: queue.clone(),
        });
    }
    let alive = || workers.iter().filter(|worker| worker.lease_left.is_some());
    let connected = alive().count();
    let knowing = alive()
        .filter(|worker| worker.tasks.contains(&record.task))
        .count();
    if record.state == State::Ready || (record.state == State::Scheduled && connected == 0) {
        waits.push(Waits::Worker {
            queue,
            task: record.task.to_string(),
            connected,
            knowing,
        });
    }
    waits
}

impl Waits {
    /// In words.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        match self {
            Waits::Time { until_ms } => format!("its time: {}", age::full(*until_ms, now)),
            Waits::Resume { queue } => {
                format!("its queue: {queue:?} is paused (queues resume {queue})")
            }
            Waits::Worker {
                queue,
                task,
                connected,
                knowing,
            } => {
                let connected = match connected {
                    0 => "none is connected".to_owned(),
                    1 => format!("1 is connected, {knowing} of which knows it"),
                    many => format!("{many} are connected, {knowing} of which know it"),
                };
                format!("a free worker that listens to {queue:?} and knows {task:?}; {connected}")
            }
        }
    }
}
