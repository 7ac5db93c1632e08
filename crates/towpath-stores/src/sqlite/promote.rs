//! Promote: what was scheduled becomes ready when its time has come.

use std::cmp::Ordering;

use rusqlite::{Connection, OptionalExtension};
use towpath_core::store::Promoted;
use towpath_core::{State, Timestamp, Verb};

use super::error::{Fallible, Fault};
use super::moves::Place;
use super::order;
use super::row::Row;
use super::tx::Tx;

/// When the earliest scheduled message is due. Looked at without the writer first: mostly nothing is
/// due, and then nothing is written.
pub(super) fn next_due(db: &Connection) -> Fallible<Option<Timestamp>> {
    Ok(first(db)?.map(|(due, _)| Timestamp::from_millis(due)))
}

/// When the earliest is due, and its number.
fn first(db: &Connection) -> Fallible<Option<(i64, i64)>> {
    let sql = "SELECT due, n FROM delayed ORDER BY due, n LIMIT 1";
    let first = db
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(first.optional()?)
}

pub(super) fn promote(tx: &mut Tx<'_>, max: usize) -> Fallible<Promoted> {
    let due = due_until_now(tx, max)?;
    for (due, n) in &due {
        promote_one(tx, *due, *n)?;
    }
    let next = first(tx.db)?;
    // One that is still there although it was taken away would be met again and again.
    order::check("delayed", Ordering::Greater, None, due.iter().chain(&next))?;
    Ok(Promoted {
        moved: due.len(),
        next_due: next.map(|(due, _)| Timestamp::from_millis(due)),
    })
}

fn due_until_now(tx: &Tx<'_>, max: usize) -> Fallible<Vec<(i64, i64)>> {
    let sql = "SELECT due, n FROM delayed WHERE due <= ?1 ORDER BY due, n LIMIT ?2";
    let mut statement = tx.db.prepare_cached(sql)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = statement.query_map((tx.now.as_millis(), max), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn promote_one(tx: &mut Tx<'_>, due: i64, n: i64) -> Fallible<()> {
    match Row::by_n(tx.db, n) {
        Ok(Some(row)) if row.state == State::Scheduled && row.due.as_millis() == due => {
            tx.shift(row, Verb::Promote, Place::Ready)
        }
        Err(engine @ Fault::Engine(_)) => Err(engine),
        other => {
            let sql = "DELETE FROM delayed WHERE due = ?1 AND n = ?2";
            tx.db.prepare_cached(sql)?.execute((due, n))?;
            match other {
                Err(Fault::Refused(error)) => tx.bury(n, &error),
                // It stands elsewhere, or nowhere at all.
                _ => Ok(()),
            }
        }
    }
}
