//! The history of a message: how its last attempts ended.
//!
//! A success writes nothing here: how the message ended says who ran it and when, and a reader adds that
//! attempt at the end.

use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, AttemptOutcome};
use towpath_core::{AttemptError, Error, Timestamp};

use super::error::{Fallible, Fault};
use super::row::Row;
use super::tx::Tx;

/// How an attempt ended.
#[derive(Debug, Clone)]
pub(super) struct AttemptEnd {
    pub(super) outcome: AttemptOutcome,
    pub(super) started: Option<Timestamp>,
    pub(super) error: Option<AttemptError>,
}

/// Ends of attempts that are to be written, as one array per column.
#[derive(Debug, Default)]
pub(super) struct History {
    numbers: Vec<i64>,
    claims: Vec<i64>,
    workers: Vec<Option<i32>>,
    starts: Vec<Option<i64>>,
    outcomes: Vec<i16>,
    errors: Vec<Option<String>>,
}

impl History {
    /// Adds the attempt that a running message has just ended.
    pub(super) fn remember(&mut self, row: &Row, end: &AttemptEnd) -> Fallible<()> {
        let given_back = matches!(
            end.outcome,
            AttemptOutcome::Released | AttemptOutcome::Revoked
        );
        if given_back && end.started.is_none() {
            // It was only prefetched. Workers that come and go would push the errors that matter out of
            // the few attempts that are kept.
            return Ok(());
        }
        self.add(row, row.worker, end)
    }

    pub(super) fn add(&mut self, row: &Row, worker: Option<i32>, end: &AttemptEnd) -> Fallible<()> {
        let error = end.error.as_ref().map(encode_error).transpose()?;
        self.numbers.push(row.n);
        self.claims.push(row.counters.claims.into());
        self.workers.push(worker);
        self.starts.push(end.started.map(Timestamp::as_millis));
        self.outcomes.push(outcome_code(end.outcome));
        self.errors.push(error);
        Ok(())
    }

    pub(super) async fn write(&self, tx: &Tx<'_>) -> Fallible<()> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let kept = i32::try_from(ATTEMPTS_KEPT).unwrap_or(i32::MAX);
        tx.query(
            "SELECT remember($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &tx.now(),
                &self.numbers,
                &self.claims,
                &self.workers,
                &self.starts,
                &self.outcomes,
                &self.errors,
                &kept,
            ],
        )
        .await?;
        Ok(())
    }
}

pub(super) fn encode_error(error: &AttemptError) -> Fallible<String> {
    serde_json::to_string(error).map_err(|error| {
        Error::invalid(format!(
            "the error of an attempt cannot be written: {error}"
        ))
        .into()
    })
}

pub(super) fn read_error(text: Option<&str>) -> Fallible<Option<AttemptError>> {
    let damaged = |error| Fault::damaged("attempt.error", error);
    text.map(|text| serde_json::from_str(text).map_err(damaged))
        .transpose()
}

/// An attempt as the statement `record` tells it.
type Told = (u32, String, Option<i64>, i64, i16, Option<String>);

/// The ends of attempts of one message that were written down, oldest first.
pub(super) fn read_attempts(text: Option<&str>) -> Fallible<Vec<Attempt>> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let told: Vec<Told> =
        serde_json::from_str(text).map_err(|error| Fault::damaged("attempt", error))?;
    told.into_iter().map(read).collect()
}

fn read((claims, worker, started, ended, code, error): Told) -> Fallible<Attempt> {
    let outcome = decode_outcome(code)
        .ok_or_else(|| Fault::damaged("attempt.outcome", format_args!("is {code}")))?;
    Ok(Attempt {
        claims,
        worker,
        started_at: started.map(Timestamp::from_millis),
        ended_at: Timestamp::from_millis(ended),
        outcome,
        error: read_error(error.as_deref())?,
    })
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

fn outcome_code(outcome: AttemptOutcome) -> i16 {
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

fn decode_outcome(code: i16) -> Option<AttemptOutcome> {
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

    #[test]
    fn an_error_with_any_character_is_read_as_it_was_written() {
        let error = AttemptError::new("a\0b", "c\u{1}\"d").with_traceback("\0");
        let text = encode_error(&error).unwrap();
        assert!(!text.contains('\0'));
        assert_eq!(read_error(Some(&text)).unwrap(), Some(error));
    }

    #[test]
    fn a_history_that_is_not_ours_is_refused() {
        assert!(read_attempts(Some(r#"[[1,"w",null,5,0,null]]"#)).is_ok());
        for text in [
            "{",
            "[[1]]",
            r#"[[1,"w",null,5,9,null]]"#,
            r#"[[1,"w",null,5,0,"{"]]"#,
        ] {
            assert!(
                matches!(read_attempts(Some(text)), Err(Fault::Refused(_))),
                "{text}"
            );
        }
    }
}
