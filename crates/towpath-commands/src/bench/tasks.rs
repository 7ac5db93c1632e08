//! The tasks of the bench: one that does nothing, and one that tells when it started.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use towpath_core::{Clock, SystemClock};
use towpath_runtime::{App, Context, Task, TaskError, TaskSettings, from_fn};

/// Does nothing with its text, and gives `null`.
pub(super) const NOTHING: &str = "bench.nothing";
/// Notes how long after its submit it started.
const STAMP: &str = "bench.stamp";
/// A task that no worker of the bench knows.
pub(super) const UNKNOWN: &str = "bench.unknown";

/// What the handlers of this process have seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    handled: AtomicU64,
    /// When the last one ran, on the boot clock, in nanoseconds.
    last: AtomicU64,
    /// From submit to start, in milliseconds.
    latencies: Mutex<Vec<f64>>,
}

impl Seen {
    pub(super) fn handled(&self) -> (u64, Duration) {
        let last = Duration::from_nanos(self.last.load(Ordering::Acquire));
        (self.handled.load(Ordering::Acquire), last)
    }

    pub(super) fn take_latencies(&self) -> Vec<f64> {
        std::mem::take(
            &mut *self
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn note(&self, now: Duration) {
        self.last.fetch_max(nanos(now), Ordering::AcqRel);
        self.handled.fetch_add(1, Ordering::AcqRel);
    }
}

pub(super) fn nothing() -> impl Task<Args = String, Output = ()> {
    from_fn(
        TaskSettings::new(NOTHING),
        |_text: String, _: Context| async { Ok::<_, TaskError>(()) },
    )
}

/// Takes the time of its submit on the boot clock, which all processes of a machine share.
pub(super) fn stamp() -> impl Task<Args = u64, Output = ()> {
    stamp_into(Arc::default())
}

pub(super) fn unknown() -> impl Task<Args = String, Output = ()> {
    from_fn(
        TaskSettings::new(UNKNOWN),
        |_text: String, _: Context| async { Ok::<_, TaskError>(()) },
    )
}

/// Adds what a worker of the bench runs, noting in `seen` what was run.
pub(super) fn add(app: App, seen: &Arc<Seen>) -> App {
    let (noted, clock) = (seen.clone(), SystemClock::new());
    let nothing = from_fn(
        TaskSettings::new(NOTHING),
        move |_text: String, _: Context| {
            noted.note(clock.uptime());
            async { Ok::<_, TaskError>(()) }
        },
    );
    app.task(nothing).task(stamp_into(seen.clone()))
}

fn stamp_into(seen: Arc<Seen>) -> impl Task<Args = u64, Output = ()> {
    let clock = SystemClock::new();
    from_fn(
        TaskSettings::new(STAMP),
        move |submitted: u64, _: Context| {
            let now = clock.uptime();
            let waited = nanos(now).saturating_sub(submitted);
            let mut latencies = seen
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            latencies.push(waited as f64 / 1e6);
            drop(latencies);
            seen.note(now);
            async { Ok::<_, TaskError>(()) }
        },
    )
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
