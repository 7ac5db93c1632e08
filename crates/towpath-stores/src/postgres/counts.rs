//! Counts and queues: how much there is where.
//!
//! Nothing is counted as messages move, because everybody would wait for the row of the counter. So these go
//! through narrow indexes, and an answer that took long is kept for two seconds.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use towpath_core::QueueName;
use towpath_core::TaskName;
use towpath_core::store::{LineCount, QueueRecord, StateCounts};

use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::statement::statement;
use super::tx::Tx;

/// From that long on an answer is kept.
const LONG: Duration = Duration::from_millis(50);
/// How long it is kept then, on the clock of the store.
const KEPT: Duration = Duration::from_secs(2);

/// The last answer that took long.
#[derive(Debug)]
pub(super) struct Kept<T>(RefCell<Option<(T, Duration)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

impl<T: Clone> Kept<T> {
    fn still_good(&self, at: Duration) -> Option<T> {
        let kept = self.0.borrow();
        let (value, since) = kept.as_ref()?;
        (at < *since + KEPT).then(|| value.clone())
    }

    fn keep(&self, value: &T, at: Duration, begun: Instant) {
        if begun.elapsed() >= LONG {
            *self.0.borrow_mut() = Some((value.clone(), at));
        }
    }
}

pub(super) async fn counts(tx: &Tx<'_>) -> Fallible<StateCounts> {
    let (at, begun) = (tx.shop.uptime(), Instant::now());
    if let Some(counts) = tx.shop.counts.still_good(at) {
        return Ok(counts);
    }
    let row = tx.query_one(statement!("counts"), &[]).await?;
    let columns = Columns(&row);
    let count = |name: &str| columns.size(name).map(|count| count as u64);
    let counts = StateCounts {
        scheduled: count("scheduled")?,
        ready: count("ready")?,
        running: count("running")?,
        succeeded: count("succeeded")?,
        failed: count("failed")?,
        revoked: count("revoked")?,
    };
    tx.shop.counts.keep(&counts, at, begun);
    Ok(counts)
}

/// The queues that have ready messages or are paused, with their lines, by name.
pub(super) async fn queues(tx: &Tx<'_>) -> Fallible<Vec<QueueRecord>> {
    let (at, begun) = (tx.shop.uptime(), Instant::now());
    if let Some(queues) = tx.shop.queues.still_good(at) {
        return Ok(queues);
    }
    let mut queues: BTreeMap<QueueName, QueueRecord> = BTreeMap::new();
    for row in &tx.query(statement!("queues"), &[]).await? {
        match add(&mut queues, &Columns(row)) {
            // One that cannot be read must not hide the others.
            Err(Fault::Refused(error)) => tracing::error!(%error, "a line is left out of a list"),
            added => added?,
        }
    }
    let mut queues: Vec<QueueRecord> = queues.into_values().collect();
    for queue in &mut queues {
        queue.lines.sort_by(|one, other| one.task.cmp(&other.task));
    }
    tx.shop.queues.keep(&queues, at, begun);
    Ok(queues)
}

fn add(queues: &mut BTreeMap<QueueName, QueueRecord>, columns: &Columns<'_>) -> Fallible<()> {
    let queue = QueueName::new(columns.text("queue")?)
        .map_err(|error| Fault::damaged("line.queue", error))?;
    let record = queues.entry(queue.clone()).or_insert_with(|| QueueRecord {
        queue,
        paused: false,
        lines: Vec::new(),
    });
    record.paused |= columns.flag("paused")?;
    let ready = columns.size("messages")? as u64;
    let Some(task) = columns.maybe_text("task")?.filter(|_| ready > 0) else {
        return Ok(());
    };
    let task = TaskName::new(task).map_err(|error| Fault::damaged("line.task", error))?;
    let head_ready_at = columns.maybe_time("due")?;
    record.lines.push(LineCount {
        task,
        ready,
        head_ready_at,
    });
    Ok(())
}
