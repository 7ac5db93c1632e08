//! Get: all that is known of single messages.

use rusqlite::{Connection, OptionalExtension};
use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, AttemptOutcome, Record, ResultRecord};
use towpath_core::{MessageId, State, Timestamp};

use super::attempts::read_attempts;
use super::bodies::{self, MESSAGE_COLUMNS};
use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::reader::Look;
use super::settle::{RESULT_TAKEN, RESULT_TOO_LARGE, RESULT_VALUE};

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
    let mut statement = look.db.prepare_cached(include_str!("sql/record.sql"))?;
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
    message.saved = bodies::read_saved(look.db, n)?;
    let state = columns.state(AT + 1)?;
    let worker = columns.maybe_text(AT + 11, "worker.name")?;
    let finished_at = columns.maybe_time(AT + 7, "finished")?;
    let mut attempts = read_attempts(look.db, n)?;
    if state == State::Succeeded {
        add_success(
            &mut attempts,
            &columns,
            message.counters.claims,
            worker,
            finished_at,
        )?;
    }
    let waits = matches!(state, State::Scheduled | State::Ready);
    Ok(Some(Record {
        state,
        reason: columns.maybe_reason(AT + 2)?,
        updated_at: columns.time(AT + 3, "updated")?,
        due_at: columns.time(AT + 4, "due")?,
        expires_at: columns.maybe_time(AT + 5, "expires")?,
        finished_at,
        kept_until: columns.maybe_time(AT + 8, "kept")?,
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

/// The attempt that succeeded, of which the message's own row tells.
fn add_success(
    attempts: &mut Vec<Attempt>,
    columns: &Columns<'_>,
    claims: u32,
    worker: Option<&str>,
    finished_at: Option<Timestamp>,
) -> Fallible<()> {
    if attempts.len() == ATTEMPTS_KEPT {
        attempts.remove(0);
    }
    attempts.push(Attempt {
        claims,
        worker: worker.unwrap_or_default().to_owned(),
        started_at: columns.maybe_time(MESSAGE_COLUMNS + 6, "started")?,
        ended_at: finished_at.unwrap_or_default(),
        outcome: AttemptOutcome::Done,
        error: None,
    });
    Ok(())
}

fn result_record(columns: &Columns<'_>) -> Fallible<ResultRecord> {
    let size = || columns.size(MESSAGE_COLUMNS + 10, "result_size");
    Ok(
        match columns.maybe_int(MESSAGE_COLUMNS + 9, "result_kind")? {
            None => ResultRecord::None,
            Some(RESULT_VALUE) => ResultRecord::Kept { size: size()? },
            Some(RESULT_TOO_LARGE) => ResultRecord::TooLarge { size: size()? },
            Some(RESULT_TAKEN) => ResultRecord::Taken,
            Some(other) => return Err(Fault::damaged("result_kind", format_args!("is {other}"))),
        },
    )
}

fn details(columns: &Columns<'_>) -> Fallible<Option<serde_json::Value>> {
    columns
        .maybe_text(MESSAGE_COLUMNS + 12, "scratch.details")?
        .map(|text| {
            serde_json::from_str(text).map_err(|error| Fault::damaged("scratch.details", error))
        })
        .transpose()
}
