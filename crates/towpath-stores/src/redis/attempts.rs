//! The history of a message: how its last attempts ended.

use bytes::Bytes;
use towpath_core::message::{Attempt, AttemptOutcome};
use towpath_core::{AttemptError, Timestamp};

use super::bytes::{Damaged, Reader, put_medium, text};

/// The outcomes by the number that stands for each, here and in the scripts.
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

/// An error as it stands behind its attempt.
pub(super) fn put_error(out: &mut Vec<u8>, error: &AttemptError) {
    put_medium(out, error.name.as_bytes());
    put_medium(out, error.text.as_bytes());
    match &error.traceback {
        None => out.push(0),
        Some(traceback) => {
            out.push(1);
            put_medium(out, traceback.as_bytes());
        }
    }
}

fn read_error(reader: &mut Reader) -> Result<AttemptError, Damaged> {
    let mut error = AttemptError::new(text(&reader.medium()?)?, text(&reader.medium()?)?);
    if reader.u8()? == 1 {
        error = error.with_traceback(text(&reader.medium()?)?);
    }
    Ok(error)
}

/// The attempts of a message, oldest first.
pub(super) fn read(stored: Option<Bytes>) -> Result<Vec<Attempt>, Damaged> {
    let mut reader = Reader::new(stored.unwrap_or_default());
    let mut attempts = Vec::new();
    while !reader.is_empty() {
        attempts.push(read_one(Reader::new(reader.long()?))?);
    }
    Ok(attempts)
}

fn read_one(mut reader: Reader) -> Result<Attempt, Damaged> {
    let claims = reader.u32()?;
    let ended_at = reader.time()?;
    let started_at: Option<Timestamp> = reader.maybe_time()?;
    let outcome = OUTCOMES.get(usize::from(reader.u8()?)).copied();
    let worker = text(&reader.medium()?)?.to_owned();
    let error = if reader.is_empty() {
        None
    } else {
        Some(read_error(&mut reader)?)
    };
    Ok(Attempt {
        claims,
        worker,
        started_at,
        ended_at,
        outcome: outcome.ok_or(Damaged("has an attempt with an unknown outcome"))?,
        error,
    })
}
