//! Get: all that is known of single messages.

use std::collections::HashMap;

use tokio_postgres::Row;
use towpath_core::limits::ATTEMPTS_KEPT;
use towpath_core::message::{Attempt, AttemptOutcome, Record, ResultRecord};
use towpath_core::{MessageId, Result, State, Timestamp};

use super::attempts::read_attempts;
use super::bodies::read_message;
use super::columns::{Columns, state_of, uuids};
use super::error::{Fallible, Fault};
use super::lines::Lines;
use super::moved::{RESULT_TAKEN, RESULT_TOO_LARGE, RESULT_VALUE};
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn get(tx: &Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<Option<Record>>> {
    let found = records(tx, ids).await?;
    ids.iter()
        .map(|id| found.get(id).cloned().transpose().map_err(Fault::Refused))
        .collect()
}

/// The records of those messages that there are; of a damaged one what is wrong with it.
pub(super) async fn records(
    tx: &Tx<'_>,
    ids: &[MessageId],
) -> Fallible<HashMap<MessageId, Result<Record>>> {
    let rows = tx.query(statement!("record"), &[&uuids(ids)]).await?;
    read_all(tx, &rows).await
}

/// As [`records`], by number.
pub(super) async fn records_by_number(
    tx: &Tx<'_>,
    numbers: &[i64],
) -> Fallible<HashMap<i64, Result<Record>>> {
    let rows = tx
        .query(statement!("record_by_number"), &[&numbers])
        .await?;
    let mut records = read_all(tx, &rows).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns(row);
        if let Some(record) = records.remove(&columns.message_id("id")?) {
            found.insert(columns.long("n")?, record);
        }
    }
    Ok(found)
}

async fn read_all(tx: &Tx<'_>, rows: &[Row]) -> Fallible<HashMap<MessageId, Result<Record>>> {
    let lines = rows.iter().filter_map(|row| Columns(row).int("line").ok());
    tx.meet_lines(lines).await?;
    let mut records = HashMap::with_capacity(rows.len());
    for row in rows {
        let columns = Columns(row);
        let id = columns.message_id("id")?;
        let record = match read(&columns, &tx.shop.lines) {
            Ok(record) => Ok(record),
            Err(Fault::Refused(error)) => Err(error.about(format_args!("message {id}"))),
            Err(engine) => return Err(engine),
        };
        records.insert(id, record);
    }
    Ok(records)
}

fn read(columns: &Columns<'_>, lines: &Lines) -> Fallible<Record> {
    let mut message = read_message(columns, lines)?;
    let claimed_at = columns.maybe_time("claimed")?;
    let ended: Option<i16> = columns.get("ended_state")?;
    let state = state_of(ended, claimed_at.is_some(), columns.flag("scheduled")?)?;
    if ended.is_some() {
        message.counters.claims = columns.u32("ended_claims")?;
    } else if claimed_at.is_some() {
        message.counters.claims = columns.u32("held_claims")?;
    }
    let finished_at = columns.maybe_time("ended")?;
    let worker = columns.maybe_text("worker")?;
    let mut attempts = read_attempts(columns.maybe_text("attempts")?)?;
    if let (State::Succeeded, Some(ended_at)) = (state, finished_at) {
        let started_at = columns.maybe_time("ended_started")?;
        let worker = worker.unwrap_or_default();
        add_success(
            &mut attempts,
            message.counters.claims,
            worker,
            started_at,
            ended_at,
        );
    }
    let waited_at = columns.maybe_time("updated")?;
    let waits = matches!(state, State::Scheduled | State::Ready);
    Ok(Record {
        state,
        reason: columns.maybe_reason("reason")?,
        updated_at: finished_at
            .or(claimed_at)
            .or(waited_at)
            .unwrap_or(message.submitted_at),
        due_at: columns.time("due")?,
        expires_at: columns.maybe_time("expires")?,
        finished_at,
        kept_until: columns.maybe_time("kept")?,
        worker: worker
            .filter(|_| state == State::Running)
            .map(str::to_owned),
        paused: waits && columns.flag("paused")?,
        result: result_record(columns)?,
        attempts,
        details: details(columns)?,
        message,
    })
}

/// The attempt that succeeded, of which the end of the message tells.
fn add_success(
    attempts: &mut Vec<Attempt>,
    claims: u32,
    worker: &str,
    started_at: Option<Timestamp>,
    ended_at: Timestamp,
) {
    if attempts.len() == ATTEMPTS_KEPT {
        attempts.remove(0);
    }
    attempts.push(Attempt {
        claims,
        worker: worker.to_owned(),
        started_at,
        ended_at,
        outcome: AttemptOutcome::Done,
        error: None,
    });
}

fn result_record(columns: &Columns<'_>) -> Fallible<ResultRecord> {
    let size = || columns.size("result_size");
    Ok(match columns.get::<Option<i16>>("result_kind")? {
        None => ResultRecord::None,
        Some(RESULT_VALUE) => ResultRecord::Kept { size: size()? },
        Some(RESULT_TOO_LARGE) => ResultRecord::TooLarge { size: size()? },
        Some(RESULT_TAKEN) => ResultRecord::Taken,
        Some(other) => return Err(Fault::damaged("result_kind", format_args!("is {other}"))),
    })
}

fn details(columns: &Columns<'_>) -> Fallible<Option<serde_json::Value>> {
    columns
        .maybe_text("details")?
        .map(|text| {
            serde_json::from_str(text).map_err(|error| Fault::damaged("scratch.details", error))
        })
        .transpose()
}
