//! Get: all that is known of single messages.

use rusqlite::{Connection, OptionalExtension};
use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, AttemptOutcome, Record, ResultRecord};
use towpath_core::{MessageId, State, Timestamp};

use super::attempts::read_attempts;
use super::bodies::{self, MESSAGE_COLUMNS};
use super::columns::{Columns, state_of};
use super::error::{Fallible, Fault};
use super::reader::Look;
use super::settle::{RESULT_TAKEN, RESULT_TOO_LARGE, RESULT_VALUE};
use super::statement::statement;

pub(super) fn get(look: &mut Look<'_>, ids: &[MessageId]) -> Fallible<Vec<Option<Record>>> {
    ids.iter()
        .map(|id| match number(look.db, *id)? {
            Some(n) => record(look, n).map_err(|fault| fault.about(format_args!("message {id}"))),
            None => Ok(None),
        })
        .collect()
}

pub(super) fn number(db: &Connection, id: MessageId) -> Fallible<Option<i64>> {
    let sql = "SELECT n FROM message WHERE id = ?1";
    let n = db
        .prepare_cached(sql)?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(n)
}

/// The record of a message; `None` when it is gone or of another namespace.
pub(super) fn record(look: &mut Look<'_>, n: i64) -> Fallible<Option<Record>> {
    const AT: usize = MESSAGE_COLUMNS;
    let mut statement = look.db.prepare_cached(statement!("record"))?;
    let mut rows = statement.query([n])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let columns = Columns(row);
    let l = columns.int(AT, "line")?;
    let Some(line) = look.lines.name(look.db, look.ns, l)?.cloned() else {
        return Ok(None);
    };
    let mut message = bodies::read_message(look.db, &columns, n, &line)?;
    if columns.int(AT + 17, "scratch.saved_codec")? != 0 {
        message.saved = bodies::read_saved(look.db, n)?;
    }
    let claimed_at = columns.maybe_time(AT + 6, "inflight.claimed")?;
    let end = read_end(&columns)?;
    let state = state_of(
        columns.maybe_int(AT + 7, "outcome.state")?,
        claimed_at.is_some(),
        columns.int(AT + 1, "scheduled")?,
    )?;
    if let Some(end) = &end {
        message.counters.claims = end.claims;
    } else if claimed_at.is_some() {
        message.counters.claims = columns.u32(AT + 5, "inflight.claims")?;
    }
    let finished_at = end.as_ref().map(|end| end.finished_at);
    let moved_at = finished_at.or(claimed_at);
    let waited_at = columns.maybe_time(AT + 2, "updated")?;
    let worker = columns.maybe_text(AT + 15, "worker.name")?;
    let mut attempts = match columns.int(AT + 18, "attempt.n")? {
        0 => Vec::new(),
        _ => read_attempts(look.db, n)?,
    };
    if let Some(end) = end.as_ref().filter(|_| state == State::Succeeded) {
        add_success(&mut attempts, end, worker.unwrap_or_default());
    }
    let waits = matches!(state, State::Scheduled | State::Ready);
    Ok(Some(Record {
        state,
        reason: columns.maybe_reason(AT + 11)?,
        updated_at: moved_at.or(waited_at).unwrap_or(message.submitted_at),
        due_at: columns.time(AT + 3, "due")?,
        expires_at: columns.maybe_time(AT + 4, "expires")?,
        finished_at,
        kept_until: end.as_ref().map(|end| end.kept_until),
        worker: worker
            .filter(|_| state == State::Running)
            .map(str::to_owned),
        paused: waits && look.is_paused(line.queue.as_str())?,
        result: result_record(&columns)?,
        attempts,
        details: details(&columns)?,
        message,
    }))
}

/// How a message has ended.
struct End {
    claims: u32,
    finished_at: Timestamp,
    kept_until: Timestamp,
    started_at: Option<Timestamp>,
}

fn read_end(columns: &Columns<'_>) -> Fallible<Option<End>> {
    const AT: usize = MESSAGE_COLUMNS;
    if columns.maybe_int(AT + 7, "outcome.state")?.is_none() {
        return Ok(None);
    }
    Ok(Some(End {
        claims: columns.u32(AT + 8, "outcome.claims")?,
        finished_at: columns.time(AT + 9, "outcome.finished")?,
        kept_until: columns.time(AT + 10, "outcome.kept")?,
        started_at: columns.maybe_time(AT + 12, "outcome.started")?,
    }))
}

/// The attempt that succeeded, of which the outcome tells.
fn add_success(attempts: &mut Vec<Attempt>, end: &End, worker: &str) {
    if attempts.len() == ATTEMPTS_KEPT {
        attempts.remove(0);
    }
    attempts.push(Attempt {
        claims: end.claims,
        worker: worker.to_owned(),
        started_at: end.started_at,
        ended_at: end.finished_at,
        outcome: AttemptOutcome::Done,
        error: None,
    });
}

fn result_record(columns: &Columns<'_>) -> Fallible<ResultRecord> {
    const AT: usize = MESSAGE_COLUMNS;
    let size = || columns.size(AT + 14, "result_size");
    Ok(match columns.maybe_int(AT + 13, "result_kind")? {
        None => ResultRecord::None,
        Some(RESULT_VALUE) => ResultRecord::Kept { size: size()? },
        Some(RESULT_TOO_LARGE) => ResultRecord::TooLarge { size: size()? },
        Some(RESULT_TAKEN) => ResultRecord::Taken,
        Some(other) => return Err(Fault::damaged("result_kind", format_args!("is {other}"))),
    })
}

fn details(columns: &Columns<'_>) -> Fallible<Option<serde_json::Value>> {
    columns
        .maybe_text(MESSAGE_COLUMNS + 16, "scratch.details")?
        .map(|text| {
            serde_json::from_str(text).map_err(|error| Fault::damaged("scratch.details", error))
        })
        .transpose()
}
