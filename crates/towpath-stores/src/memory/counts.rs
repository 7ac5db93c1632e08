//! Queues with their lines. (The counts of states are kept up with every move, in the table.)

use std::collections::BTreeSet;

use towpath_core::QueueName;
use towpath_core::store::{LineCount, QueueRecord};

use super::lines::Line;
use super::step::Step;

impl Step<'_> {
    pub(super) fn queues(&self) -> Vec<QueueRecord> {
        let table = &self.table;
        // A paused queue is shown even while it is empty: somebody wants to see what is paused.
        let names: BTreeSet<&QueueName> = table.lines.queues().chain(&table.paused).collect();
        names
            .into_iter()
            .map(|queue| QueueRecord {
                queue: queue.clone(),
                paused: table.paused.contains(queue),
                lines: table.lines.of_queue(queue).map(count).collect(),
            })
            .collect()
    }
}

fn count(line: &Line) -> LineCount {
    LineCount {
        task: line.task.clone(),
        ready: line.ranks.len() as u64,
        head_ready_at: line.ranks.first().map(|rank| rank.ready_at),
    }
}
