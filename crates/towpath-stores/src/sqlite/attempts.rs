//! The history of a message: how its last attempts ended.
//!
//! A success writes nothing here: the message's own row says who ran it and when, and a reader adds
//! that attempt at the end.

use rusqlite::Connection;
use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, AttemptOutcome};
use towpath_core::{AttemptError, Timestamp};

use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttemptEnd<'a> {
    pub(super) outcome: AttemptOutcome,
    pub(super) started: Option<Timestamp>,
    pub(super) error: Option<&'a AttemptError>,
}

impl Tx<'_> {
    /// Writes the attempt that a running message has just ended into its history.
    pub(super) fn remember(&mut self, row: &Row, end: AttemptEnd<'_>) -> Fallible<()> {
        let given_back = matches!(
            end.outcome,
            AttemptOutcome::Released | AttemptOutcome::Revoked
        );
        if given_back && end.started.is_none() {
            // It was only prefetched. Workers that come and go would push the errors that matter out
            // of the few attempts that are kept.
            return Ok(());
        }
        self.add_attempt(row.n, i64::from(row.counters.claims), row.worker, end)
    }

    pub(super) fn add_attempt(
        &mut self,
        n: i64,
        claims: i64,
        worker: Option<i64>,
        end: AttemptEnd<'_>,
    ) -> Fallible<()> {
        let last = "SELECT COALESCE(MAX(k), 0) FROM attempt WHERE n = ?1";
        let last: i64 = self
            .db
            .prepare_cached(last)?
            .query_row([n], |row| row.get(0))?;
        let k = last.saturating_add(1);
        self.db
            .prepare_cached(statement!("add_attempt"))?
            .execute(rusqlite::params![
                n,
                k,
                claims,
                worker,
                end.started.map(Timestamp::as_millis),
                self.now.as_millis(),
                outcome_code(end.outcome),
                end.error.map(|error| &error.name),
                end.error.map(|error| &error.text),
                end.error.and_then(|error| error.traceback.as_ref()),
            ])?;
        let oldest = k - i64::try_from(ATTEMPTS_KEPT).expect("ten");
        self.db
            .prepare_cached("DELETE FROM attempt WHERE n = ?1 AND k <= ?2")?
            .execute((n, oldest))?;
        Ok(())
    }
}

/// The ends of attempts of one message that were written down, oldest first.
pub(super) fn read_attempts(db: &Connection, n: i64) -> Fallible<Vec<Attempt>> {
    let mut statement = db.prepare_cached(statement!("read_attempts"))?;
    let kept = i64::try_from(ATTEMPTS_KEPT).expect("ten");
    let mut rows = statement.query((n, kept))?;
    let mut attempts = Vec::new();
    while let Some(row) = rows.next()? {
        attempts.push(read(&Columns(row))?);
    }
    attempts.reverse();
    Ok(attempts)
}

fn read(columns: &Columns<'_>) -> Fallible<Attempt> {
    let code = columns.int(3, "attempt.outcome")?;
    let outcome = decode_outcome(code)
        .ok_or_else(|| Fault::damaged("attempt.outcome", format_args!("is {code}")))?;
    let worker = columns.maybe_text(4, "worker.name")?;
    Ok(Attempt {
        claims: columns.u32(0, "attempt.claims")?,
        worker: worker.unwrap_or_default().to_owned(),
        started_at: columns.maybe_time(1, "attempt.started")?,
        ended_at: columns.time(2, "attempt.ended")?,
        outcome,
        error: read_error(columns, 5)?,
    })
}

fn read_error(columns: &Columns<'_>, at: usize) -> Fallible<Option<AttemptError>> {
    let Some(name) = columns.maybe_text(at, "attempt.error_name")? else {
        return Ok(None);
    };
    let text = columns.maybe_text(at + 1, "attempt.error_text")?;
    let trace = columns.maybe_text(at + 2, "attempt.error_trace")?;
    let error = AttemptError::new(name, text.unwrap_or_default());
    Ok(Some(match trace {
        Some(trace) => error.with_traceback(trace),
        None => error,
    }))
}

const OUTCOMES: [AttemptOutcome; 8] = [
    AttemptOutcome::Done,
    AttemptOutcome::Retried,
    AttemptOutcome::Failed,
    AttemptOutcome::Released,
    AttemptOutcome::Snoozed,
    AttemptOutcome::Lost,
    AttemptOutcome::Revoked,
    AttemptOutcome::Requeued,
];

fn outcome_code(outcome: AttemptOutcome) -> i64 {
    match outcome {
        AttemptOutcome::Done => 0,
        AttemptOutcome::Retried => 1,
        AttemptOutcome::Failed => 2,
        AttemptOutcome::Released => 3,
        AttemptOutcome::Snoozed => 4,
        AttemptOutcome::Lost => 5,
        AttemptOutcome::Revoked => 6,
        AttemptOutcome::Requeued => 7,
    }
}

fn decode_outcome(code: i64) -> Option<AttemptOutcome> {
    OUTCOMES
        .into_iter()
        .find(|outcome| outcome_code(*outcome) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_read_back_what_they_write() {
        for outcome in OUTCOMES {
            assert_eq!(decode_outcome(outcome_code(outcome)), Some(outcome));
        }
        assert_eq!(decode_outcome(8), None);
    }
}
