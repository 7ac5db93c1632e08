//! Assertions about messages that wait.

use std::panic::Location;

use serde::Serialize;
use towpath_core::{Codecs, Record};

/// Messages of one task that wait: at least one. Each assertion narrows them down and panics, with
/// what there was, when none is left.
#[derive(Debug, Clone)]
pub struct Enqueued {
    records: Vec<Record>,
    caller: &'static Location<'static>,
}

impl Enqueued {
    pub(super) fn new(
        task: &str,
        records: Vec<Record>,
        all: &[Record],
        caller: &'static Location<'static>,
    ) -> Self {
        assert!(
            !records.is_empty(),
            "{caller}: no message of task {task:?} waits; the store holds: {}",
            list(all)
        );
        Self { records, caller }
    }

    fn narrowed(mut self, what: &str, keep: impl Fn(&Record) -> bool) -> Self {
        let before = list(&self.records);
        self.records.retain(keep);
        assert!(
            !self.records.is_empty(),
            "{}: none {what}; there are: {before}",
            self.caller
        );
        self
    }

    /// One of them has these arguments: an array for positional ones, an object for named ones.
    pub fn with_args(self, args: impl Serialize) -> Self {
        let wanted = serde_json::to_value(args).expect("arguments are JSON");
        let codecs = Codecs::default();
        self.narrowed(&format!("has the arguments {wanted}"), |record| {
            codecs
                .decode::<serde_json::Value>(&record.payload)
                .is_ok_and(|args| args == wanted)
        })
    }

    /// One of them is in this queue.
    pub fn in_queue(self, queue: &str) -> Self {
        self.narrowed(&format!("is in queue {queue:?}"), |record| {
            record.queue.as_str() == queue
        })
    }

    /// One of them has this priority.
    pub fn with_priority(self, priority: u32) -> Self {
        self.narrowed(&format!("has priority {priority}"), |record| {
            record.priority == priority
        })
    }

    /// There are exactly that many of them.
    pub fn count(self, count: usize) -> Self {
        let found = self.records.len();
        assert!(
            found == count,
            "{}: {found} instead of {count}: {}",
            self.caller,
            list(&self.records)
        );
        self
    }

    /// They, in the order in which they were submitted.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

fn list(records: &[Record]) -> String {
    let one = |record: &Record| {
        let args = String::from_utf8_lossy(record.payload.bytes()).into_owned();
        format!(
            "{} in {:?} ({}) with {args}",
            record.task, record.queue, record.state
        )
    };
    if records.is_empty() {
        return "nothing".to_owned();
    }
    records.iter().map(one).collect::<Vec<_>>().join("; ")
}
