//! Results: what became of messages, and what they gave.

use rusqlite::Connection;
use towpath_core::store::ResultRead;
use towpath_core::{FailReason, MessageId, State};

use super::attempts::read_attempts;
use super::bodies::{self, Body, read_payload};
use super::columns::{Columns, state_of};
use super::error::{Fallible, Fault};
use super::lines::Lines;
use super::reader::Look;
use super::settle::{RESULT_TAKEN, RESULT_TOO_LARGE, RESULT_VALUE};
use super::statement::statement;
use super::tx::Tx;

pub(super) fn read(look: &mut Look<'_>, ids: &[MessageId]) -> Fallible<Vec<ResultRead>> {
    ids.iter()
        .map(|id| Ok(read_one(look.db, look.ns, look.lines, *id)?.1))
        .collect()
}

/// Reads results, and deletes those that are there.
pub(super) fn take(tx: &mut Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<ResultRead>> {
    ids.iter()
        .map(|id| {
            let (n, result) = read_one(tx.db, tx.ns, &mut tx.session.lines, *id)?;
            if let ResultRead::Value {
                payload: Some(_), ..
            } = &result
            {
                let sql = "UPDATE outcome SET result_kind = ?2, result = NULL WHERE n = ?1";
                tx.db.prepare_cached(sql)?.execute((n, RESULT_TAKEN))?;
                bodies::forget(tx.db, n, Body::Result)?;
            }
            Ok(result)
        })
        .collect()
}

fn read_one(
    db: &Connection,
    ns: i64,
    lines: &mut Lines,
    id: MessageId,
) -> Fallible<(i64, ResultRead)> {
    let mut statement = db.prepare_cached(statement!("result"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok((0, ResultRead::Unknown));
    };
    let columns = Columns(row);
    let about = |fault: Fault| fault.about(format_args!("message {id}"));
    let (n, l) = (columns.int(0, "n")?, columns.int(1, "line").map_err(about)?);
    if lines.name(db, ns, l)?.is_none() {
        return Ok((0, ResultRead::Unknown));
    }
    Ok((n, outcome(db, n, &columns).map_err(about)?))
}

fn outcome(db: &Connection, n: i64, columns: &Columns<'_>) -> Fallible<ResultRead> {
    let Some(ended) = columns.maybe_int(2, "outcome.state")? else {
        return Ok(ResultRead::Waiting);
    };
    Ok(match state_of(Some(ended), false, 0)? {
        State::Scheduled | State::Ready | State::Running => ResultRead::Waiting,
        State::Revoked => ResultRead::Revoked,
        State::Failed => ResultRead::Failed {
            reason: columns.maybe_reason(3)?.unwrap_or(FailReason::Rejected),
            error: last_error(db, n)?,
        },
        State::Succeeded => success(db, n, columns)?,
    })
}

fn last_error(db: &Connection, n: i64) -> Fallible<Option<towpath_core::AttemptError>> {
    let attempts = read_attempts(db, n)?;
    Ok(attempts.into_iter().rev().find_map(|attempt| attempt.error))
}

fn success(db: &Connection, n: i64, columns: &Columns<'_>) -> Fallible<ResultRead> {
    let finished_at = columns.time(4, "finished")?;
    Ok(match columns.maybe_int(5, "result_kind")? {
        None => ResultRead::Value {
            payload: None,
            finished_at,
        },
        Some(RESULT_VALUE) => {
            let codec = columns.codec(7, "result_codec")?;
            let inline = columns.maybe_blob(8, "result")?;
            ResultRead::Value {
                payload: Some(read_payload(db, n, Body::Result, codec, inline)?),
                finished_at,
            }
        }
        Some(RESULT_TOO_LARGE) => ResultRead::TooLarge {
            size: columns.size(6, "result_size")?,
        },
        Some(RESULT_TAKEN) => ResultRead::Taken,
        Some(other) => return Err(Fault::damaged("result_kind", format_args!("is {other}"))),
    })
}
