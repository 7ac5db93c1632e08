//! Counts and queues: how much there is where.
//!
//! Nothing is counted as messages move, because a counter written by every transaction costs a third of
//! its speed. So these scan the narrow tables, and the answer is kept for as long as nobody writes; one
//! that took long is kept for two seconds in any case.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use towpath_core::store::{LineCount, QueueRecord, StateCounts};
use towpath_core::{QueueName, State, Timestamp};

use super::columns::{Columns, decode_state};
use super::error::Fallible;
use super::reader::Look;
use super::statement::statement;

/// From that long on an answer is kept although somebody has written since.
const LONG: Duration = Duration::from_millis(50);
/// How long it is kept then.
const KEPT: Duration = Duration::from_secs(2);

/// An answer, and for which state of the file it was worked out.
#[derive(Debug)]
pub(super) struct Kept<T> {
    last: Option<Answer<T>>,
}

#[derive(Debug)]
struct Answer<T> {
    value: T,
    version: i64,
    /// When it was asked for, on the boot clock.
    at: Duration,
    took: Duration,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

impl<T: Clone> Kept<T> {
    /// The answer that is still good for `version` of the file, or the one that `work_out` gives.
    pub(super) fn get(
        &mut self,
        version: i64,
        uptime: Duration,
        work_out: impl FnOnce() -> Fallible<T>,
    ) -> Fallible<T> {
        if let Some(last) = &self.last
            && (last.version == version || (last.took >= LONG && uptime < last.at + KEPT))
        {
            return Ok(last.value.clone());
        }
        let begun = Instant::now();
        let value = work_out()?;
        self.last = Some(Answer {
            value: value.clone(),
            version,
            at: uptime,
            took: begun.elapsed(),
        });
        Ok(value)
    }
}

pub(super) fn counts(look: &mut Look<'_>) -> Fallible<StateCounts> {
    let count = |sql: &str| -> Fallible<u64> {
        let count: i64 = look
            .db
            .prepare_cached(sql)?
            .query_row([look.ns], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    let mut counts = StateCounts {
        scheduled: count(statement!("count_scheduled"))?,
        ready: count(statement!("count_ready"))?,
        running: count(statement!("count_running"))?,
        ..StateCounts::default()
    };
    let mut statement = look
        .db
        .prepare_cached("SELECT state, COUNT(*) FROM finished WHERE ns = ?1 GROUP BY state")?;
    let mut rows = statement.query([look.ns])?;
    while let Some(row) = rows.next()? {
        let columns = Columns(row);
        let number = u64::try_from(columns.int(1, "count")?).unwrap_or(0);
        match decode_state(columns.int(0, "finished.state")?) {
            Some(State::Succeeded) => counts.succeeded = number,
            Some(State::Failed) => counts.failed = number,
            Some(State::Revoked) => counts.revoked = number,
            // Doctor tells of it.
            _ => {}
        }
    }
    Ok(counts)
}

/// The queues that have ready messages or are paused, with their lines, by name.
pub(super) fn queues(look: &mut Look<'_>) -> Fallible<Vec<QueueRecord>> {
    let mut queues: BTreeMap<QueueName, Vec<LineCount>> = BTreeMap::new();
    let paused = look.paused()?;
    for queue in &paused {
        // A paused queue is shown even while it is empty: somebody wants to see what is paused.
        if let Ok(queue) = QueueName::new(queue) {
            queues.entry(queue).or_default();
        }
    }
    let mut statement = look.db.prepare_cached(statement!("line_counts"))?;
    let mut rows = statement.query([look.ns])?;
    while let Some(row) = rows.next()? {
        let columns = Columns(row);
        let (l, ready) = (columns.int(0, "line.l")?, columns.int(1, "count")?);
        if ready == 0 {
            continue;
        }
        let Some(line) = look.lines.name(look.db, look.ns, l)?.cloned() else {
            continue;
        };
        queues.entry(line.queue).or_default().push(LineCount {
            task: line.task,
            ready: u64::try_from(ready).unwrap_or(0),
            head_ready_at: columns
                .maybe_int(2, "ready.due")?
                .map(Timestamp::from_millis),
        });
    }
    let record = |(queue, lines): (QueueName, Vec<LineCount>)| QueueRecord {
        paused: paused.contains(queue.as_str()),
        queue,
        lines,
    };
    Ok(queues.into_iter().map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_while_nobody_writes_and_no_longer() {
        let mut kept = Kept::default();
        let mut get = |version, value| kept.get(version, Duration::ZERO, || Ok(value)).unwrap();
        assert_eq!(get(1, "a"), "a");
        assert_eq!(get(1, "b"), "a");
        assert_eq!(get(2, "b"), "b");
    }
}
