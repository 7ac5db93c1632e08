//! What the lines of a state file mean, added up. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::Reading;
use crate::liveness::Identity;

/// A line of a state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// This function is to be run. The number of the line is its id.
    Defer { name: String, args: Value },
    /// An attempt begins; it may be the last thing that its process does.
    Start { of: u64, attempt: u32 },
    /// It is done.
    Done { of: u64 },
    /// An attempt has failed.
    Failed {
        of: u64,
        attempt: u32,
        error: String,
    },
    /// It will not be tried again and is among the dead.
    Dead { of: u64 },
    /// Somebody else than the owner goes on with the file; `locked`: and has its lock.
    Taken { by: Identity, locked: bool },
    /// Whoever had taken it has left it.
    Left,
    /// Nothing is to be done any more; the file may go.
    Drained,
}

/// A function that is still to be run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pending {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) args: Value,
    /// How many attempts have begun.
    pub(crate) attempts: u32,
    pub(crate) error: Option<String>,
}

impl Pending {
    pub(crate) fn new(id: u64, name: String, args: Value) -> Self {
        Self {
            id,
            name,
            args,
            attempts: 0,
            error: None,
        }
    }
}

/// The sum of a state file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    /// By their ids, and so in the order of their registration.
    pub(crate) pending: BTreeMap<u64, Pending>,
    /// Who goes on with it, and whether he has its lock.
    pub(crate) taken: Option<(Identity, bool)>,
    /// Lines that are whole, and not ours.
    pub(crate) foreign: usize,
}

impl Ledger {
    pub(crate) fn of(reading: &Reading) -> Self {
        let mut ledger = Self::default();
        for record in &reading.records {
            match record.parse() {
                Some(entry) => ledger.add(record.seq, entry),
                None => ledger.foreign += 1,
            }
        }
        ledger
    }

    fn add(&mut self, seq: u64, entry: Entry) {
        match entry {
            Entry::Defer { name, args } => {
                self.pending.insert(seq, Pending::new(seq, name, args));
            }
            Entry::Start { of, attempt } => {
                if let Some(pending) = self.pending.get_mut(&of) {
                    pending.attempts = pending.attempts.max(attempt);
                }
            }
            Entry::Failed { of, attempt, error } => {
                if let Some(pending) = self.pending.get_mut(&of) {
                    pending.attempts = pending.attempts.max(attempt);
                    pending.error = Some(error);
                }
            }
            Entry::Done { of } | Entry::Dead { of } => {
                self.pending.remove(&of);
            }
            Entry::Taken { by, locked } => self.taken = Some((by, locked)),
            Entry::Left => self.taken = None,
            Entry::Drained => self.pending.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;

    fn check(entries: &[Entry], expected: &[(u64, u32)]) {
        let records = entries.iter().enumerate().map(|(at, entry)| Record {
            seq: at as u64 + 1,
            entry: serde_json::to_value(entry).expect("plain data"),
        });
        let reading = Reading {
            records: records.collect(),
            ..Reading::default()
        };
        let ledger = Ledger::of(&reading);
        let left = ledger.pending.values().map(|left| (left.id, left.attempts));
        assert_eq!(left.collect::<Vec<_>>(), expected, "{entries:?}");
        assert_eq!(ledger.foreign, 0);
    }

    #[test]
    fn what_is_settled_is_not_pending() {
        let defer = || Entry::Defer {
            name: "f".to_owned(),
            args: Value::Null,
        };
        let start = |of, attempt| Entry::Start { of, attempt };
        let error = || "no".to_owned();
        let failed = |of, attempt| Entry::Failed {
            of,
            attempt,
            error: error(),
        };
        check(&[], &[]);
        check(&[defer(), defer()], &[(1, 0), (2, 0)]);
        check(
            &[defer(), defer(), start(1, 1), Entry::Done { of: 1 }],
            &[(2, 0)],
        );
        check(&[defer(), start(1, 1)], &[(1, 1)]);
        check(&[defer(), start(1, 2), failed(1, 1)], &[(1, 2)]);
        check(&[defer(), Entry::Dead { of: 1 }], &[]);
        check(&[defer(), Entry::Drained], &[]);
        check(
            &[Entry::Done { of: 9 }, start(7, 1), failed(5, 1), defer()],
            &[(4, 0)],
        );
    }
}
