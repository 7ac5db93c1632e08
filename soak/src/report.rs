//! What a soak has found: a table for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use towpath::StoreUrl;

use crate::quantiles::Quantiles;
use crate::storage::StorageFigures;
use crate::verify::{Fault, Found, Messages, Tally};

/// What the observer counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    /// How long messages were submitted.
    pub seconds: f64,
    /// How long the workers then took to run what was left.
    pub drain_seconds: f64,
    /// Messages that were then made due at once, because they waited for a later time.
    pub hurried: u64,
    /// Producers that got SIGKILL.
    pub producers_killed: u64,
    /// Workers that got SIGKILL.
    pub workers_killed: u64,
    /// Workers that got SIGSTOP.
    pub freezes: u64,
    /// Freezes in which the store accepted nothing from anybody: the frozen process held its lock.
    pub stood_still: u64,
    /// Calls of producers that failed for the moment.
    pub trouble: u64,
    /// Ends of runs that were refused because the lease was lost, as far as workers lived to tell.
    pub refused_ends: u64,
}

/// How long things took.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "see `Tally`, where they are counted")]
pub struct Times {
    pub submit: Quantiles,
    pub arrival: Quantiles,
    pub start: Quantiles,
    pub recovery: Quantiles,
    pub recovery_frozen: Quantiles,
    pub recovery_again: Quantiles,
}

/// What a soak has found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The store.
    pub store: String,
    /// From which arrivals, mix and kills followed.
    pub seed: u64,
    /// What was done.
    pub counts: Counts,
    /// What became of the messages.
    pub messages: Messages,
    /// How long things took.
    pub times: Times,
    /// The files of the store; `None` where it has none of its own.
    pub storage: Option<StorageFigures>,
    /// What must be 0, each with its first cases.
    pub must_be_zero: BTreeMap<Fault, Found>,
    /// Where journals and store are, if they were kept.
    pub kept_in: Option<PathBuf>,
    /// Where the data of a server of the soak's own is, if it was kept.
    pub server_kept_in: Option<PathBuf>,
}

impl Report {
    /// The report of what was counted.
    pub fn new(
        url: &StoreUrl,
        seed: u64,
        counts: Counts,
        mut tally: Tally,
        storage: Option<StorageFigures>,
    ) -> Self {
        let faults = std::mem::take(&mut tally.faults);
        let mut must_be_zero: BTreeMap<_, _> = Fault::ALL
            .into_iter()
            .map(|fault| (fault, Found::default()))
            .collect();
        must_be_zero.extend(faults);
        Self {
            store: url.to_string(),
            seed,
            counts,
            messages: tally.messages,
            times: Times {
                submit: tally.submit.quantiles(),
                arrival: tally.arrival.quantiles(),
                start: tally.start.quantiles(),
                recovery: tally.recovery.quantiles(),
                recovery_frozen: tally.recovery_frozen.quantiles(),
                recovery_again: tally.recovery_again.quantiles(),
            },
            storage,
            must_be_zero,
            kept_in: None,
            server_kept_in: None,
        }
    }

    /// Whether everything is 0 that has to be.
    pub fn is_good(&self) -> bool {
        self.must_be_zero.values().all(|found| found.count == 0)
    }

    /// How often that was found.
    pub fn count(&self, fault: Fault) -> u64 {
        self.must_be_zero.get(&fault).map_or(0, |found| found.count)
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let (counts, messages) = (&self.counts, &self.messages);
        let seconds = |seconds: f64| format!("{seconds:.1} s");
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = messages.accepted as f64 / counts.seconds.max(1e-9);
        let mut figures = vec![
            ("submitting", seconds(counts.seconds)),
            ("accepted", messages.accepted.to_string()),
            ("accepted a second", format!("{rate:.0}")),
            (
                "ran, but its producer was killed before it heard",
                messages.accepted_unheard.to_string(),
            ),
            ("producers killed", counts.producers_killed.to_string()),
            ("workers killed", counts.workers_killed.to_string()),
            ("workers frozen", counts.freezes.to_string()),
            (
                "  of these, with the whole store",
                counts.stood_still.to_string(),
            ),
            ("draining", seconds(counts.drain_seconds)),
            ("  made due for that", counts.hurried.to_string()),
            ("succeeded", messages.succeeded.to_string()),
            (
                "dead, because too many workers were lost",
                messages.dead_lost.to_string(),
            ),
            ("runs", messages.runs.to_string()),
            ("  again, as asked for", messages.again_asked.to_string()),
            ("  again, after a kill", messages.again_killed.to_string()),
            ("  again, after a freeze", messages.again_frozen.to_string()),
            (
                "  again, after the store stood still",
                messages.again_still.to_string(),
            ),
            (
                "runs that ended after their successor began",
                messages.late_ends.to_string(),
            ),
            (
                "ends refused for a lost lease",
                counts.refused_ends.to_string(),
            ),
            (
                "submits that failed for the moment",
                counts.trouble.to_string(),
            ),
        ];
        if let Some(storage) = &self.storage {
            let mega = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
            figures.push(("largest log", mega(storage.wal_peak_bytes)));
            figures.push(("file", mega(storage.file_bytes)));
        }
        figures
    }

    fn times(&self) -> [(&'static str, Quantiles); 6] {
        let times = &self.times;
        [
            ("submit, call to answer", times.submit),
            ("submit, arrival to answer", times.arrival),
            ("start, due to first run", times.start),
            ("recovery, kill to run elsewhere", times.recovery),
            ("  while somebody was frozen", times.recovery_frozen),
            (
                "  of messages lost before (they wait)",
                times.recovery_again,
            ),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "soak of {}, seed {}\n", self.store, self.seed)?;
        for (name, figure) in self.figures() {
            writeln!(f, "{name:<50}{figure:>14}")?;
        }
        writeln!(
            f,
            "\n{:<40}{:>10}{:>12}{:>12}{:>12}",
            "", "count", "p50 ms", "p99 ms", "max ms"
        )?;
        for (name, quantiles) in self.times() {
            writeln!(f, "{name:<40}{quantiles}")?;
        }
        writeln!(f, "\nmust be 0")?;
        for fault in Fault::ALL {
            writeln!(f, "{:<50}{:>14}", fault.as_str(), self.count(fault))?;
            for case in self
                .must_be_zero
                .get(&fault)
                .map_or(&[][..], |found| &found.first)
            {
                writeln!(f, "    {case}")?;
            }
        }
        if let Some(kept_in) = &self.kept_in {
            writeln!(f, "\nkept in {}", kept_in.display())?;
        }
        if let Some(kept_in) = &self.server_kept_in {
            writeln!(f, "the server's data in {}", kept_in.display())?;
        }
        writeln!(f, "\n{}", if self.is_good() { "good" } else { "NOT GOOD" })
    }
}
