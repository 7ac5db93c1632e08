//! Results: what became of messages, and what they gave.

use std::collections::HashMap;

use towpath_core::store::ResultRead;
use towpath_core::{FailReason, MessageId, State};

use super::attempts::read_error;
use super::columns::{Columns, state_of, uuids};
use super::error::{Fallible, Fault};
use super::moved::{RESULT_TAKEN, RESULT_TOO_LARGE, RESULT_VALUE};
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn read(tx: &Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<ResultRead>> {
    let rows = tx.query(statement!("results"), &[&uuids(ids)]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns(row);
        let id = columns.message_id("id")?;
        let read = outcome(&columns).map_err(|fault| fault.about(format_args!("message {id}")))?;
        found.insert(id, read);
    }
    let of = |id: &MessageId| found.get(id).cloned().unwrap_or(ResultRead::Unknown);
    Ok(ids.iter().map(of).collect())
}

/// Reads results, and deletes those that are there. One that is asked for twice is taken once.
pub(super) async fn take(tx: &Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<ResultRead>> {
    tx.begin_plain().await?;
    let asked = uuids(ids);
    tx.query(statement!("lock_results"), &[&asked]).await?;
    let mut answers = read(tx, ids).await?;
    tx.query(statement!("take_results"), &[&asked]).await?;
    tx.commit().await?;
    let mut seen = std::collections::HashSet::new();
    for (id, answer) in ids.iter().zip(&mut answers) {
        let is_there = matches!(
            answer,
            ResultRead::Value {
                payload: Some(_),
                ..
            }
        );
        if is_there && !seen.insert(id) {
            *answer = ResultRead::Taken;
        }
    }
    Ok(answers)
}

fn outcome(columns: &Columns<'_>) -> Fallible<ResultRead> {
    let Some(ended) = columns.get::<Option<i16>>("ended_state")? else {
        return Ok(ResultRead::Waiting);
    };
    Ok(match state_of(Some(ended), false, false)? {
        State::Scheduled | State::Ready | State::Running => ResultRead::Waiting,
        State::Revoked => ResultRead::Revoked,
        State::Failed => ResultRead::Failed {
            reason: columns
                .maybe_reason("reason")?
                .unwrap_or(FailReason::Rejected),
            error: read_error(columns.maybe_text("error")?)?,
        },
        State::Succeeded => success(columns)?,
    })
}

fn success(columns: &Columns<'_>) -> Fallible<ResultRead> {
    let finished_at = columns.time("ended")?;
    Ok(match columns.get::<Option<i16>>("result_kind")? {
        None => ResultRead::Value {
            payload: None,
            finished_at,
        },
        Some(RESULT_VALUE) => ResultRead::Value {
            payload: Some(columns.payload("result_codec", "result")?),
            finished_at,
        },
        Some(RESULT_TOO_LARGE) => ResultRead::TooLarge {
            size: columns.size("result_size")?,
        },
        Some(RESULT_TAKEN) => ResultRead::Taken,
        Some(other) => return Err(Fault::damaged("result_kind", format_args!("is {other}"))),
    })
}
