//! Expire: what was not started in time becomes a dead letter.

use rusqlite::{Connection, OptionalExtension};
use towpath_core::{FailReason, Timestamp, Verb};

use super::error::{Fallible, Fault};
use super::moves::Place;
use super::row::Row;
use super::tx::Tx;

/// When the earliest expiry of a waiting message is.
pub(super) fn next_expiry(db: &Connection) -> Fallible<Option<Timestamp>> {
    let sql = "SELECT expires FROM expiring ORDER BY expires, n LIMIT 1";
    let expires: Option<i64> = db
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(expires.map(Timestamp::from_millis))
}

pub(super) fn expire(tx: &mut Tx<'_>, max: usize) -> Fallible<usize> {
    let expired = expired_until_now(tx, max)?;
    for (expires, n) in &expired {
        expire_one(tx, *expires, *n)?;
    }
    Ok(expired.len())
}

fn expired_until_now(tx: &Tx<'_>, max: usize) -> Fallible<Vec<(i64, i64)>> {
    let sql = "SELECT expires, n FROM expiring WHERE expires <= ?1 ORDER BY expires, n LIMIT ?2";
    let mut statement = tx.db.prepare_cached(sql)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = statement.query_map((tx.now.as_millis(), max), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn expire_one(tx: &mut Tx<'_>, expires: i64, n: i64) -> Fallible<()> {
    match Row::by_n(tx.db, n) {
        Ok(Some(row)) if row.waits() && row.is_expired(tx.now) => {
            tx.shift(row, Verb::Expire, Place::Failed(FailReason::Expired))?;
        }
        // A damaged one is left to whoever meets it where it stands.
        Ok(_) | Err(Fault::Refused(_)) => {}
        Err(engine) => return Err(engine),
    }
    // Gone already, unless the row told of another time or state.
    let sql = "DELETE FROM expiring WHERE expires = ?1 AND n = ?2";
    tx.db.prepare_cached(sql)?.execute((expires, n))?;
    Ok(())
}
