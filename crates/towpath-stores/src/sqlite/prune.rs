//! Prune: deletes finished messages whose retention has ended, or that are too many.

use rusqlite::{Connection, OptionalExtension};
use towpath_core::store::Pruned;

use super::error::Fallible;
use super::remove::delete;
use super::tx::Tx;

pub(super) fn prune(tx: &mut Tx<'_>, max: usize) -> Fallible<Pruned> {
    let mut pruning = Pruning { left: max };
    let retention = tx.retention;
    let halves = [(0, retention.succeeded_count), (1, retention.dead_count)];
    for (dead, _) in halves {
        pruning.old(tx, dead)?;
    }
    let mut more = false;
    for (dead, count_max) in halves {
        more |= pruning.surplus(tx, dead, count_max)?;
    }
    Ok(Pruned {
        removed: max - pruning.left,
        more: more || is_any_old(tx)?,
    })
}

/// A prune under way, and how many more messages it may delete.
struct Pruning {
    left: usize,
}

impl Pruning {
    /// Deletes those whose retention has ended.
    fn old(&mut self, tx: &mut Tx<'_>, dead: i64) -> Fallible<()> {
        let sql = "SELECT kept, n FROM finished WHERE ns = ?1 AND dead = ?2 AND kept <= ?3 \
                   ORDER BY kept, n LIMIT ?4";
        let found = {
            let mut statement = tx.db.prepare_cached(sql)?;
            let now = tx.now.as_millis();
            let rows = statement.query_map((tx.ns, dead, now, self.limit()), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()?
        };
        self.delete(tx, dead, &found)
    }

    /// Deletes the first to go of those that are too many. Answers whether there are more of them.
    fn surplus(&mut self, tx: &mut Tx<'_>, dead: i64, count_max: u64) -> Fallible<bool> {
        let surplus = surplus(tx.db, tx.ns, dead, count_max)?;
        let found = {
            let sql = "SELECT kept, n FROM finished WHERE ns = ?1 AND dead = ?2 \
                       ORDER BY kept, n LIMIT ?3";
            let mut statement = tx.db.prepare_cached(sql)?;
            let limit = surplus.min(self.limit());
            let rows =
                statement.query_map((tx.ns, dead, limit), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()?
        };
        self.delete(tx, dead, &found)?;
        Ok(i64::try_from(found.len()).unwrap_or(i64::MAX) < surplus)
    }

    fn delete(&mut self, tx: &mut Tx<'_>, dead: i64, found: &[(i64, i64)]) -> Fallible<()> {
        let sql = "DELETE FROM finished WHERE ns = ?1 AND dead = ?2 AND kept = ?3 AND n = ?4";
        for (kept, n) in found {
            tx.db.prepare_cached(sql)?.execute((tx.ns, dead, kept, n))?;
            if tells_the_same(tx.db, *n, *kept)? {
                delete(tx, *n)?;
            }
        }
        self.left -= found.len();
        Ok(())
    }

    fn limit(&self) -> i64 {
        i64::try_from(self.left).unwrap_or(i64::MAX)
    }
}

/// Whether the message itself says that it is kept until then. If it does not, it is not what ended.
fn tells_the_same(db: &Connection, n: i64, kept: i64) -> Fallible<bool> {
    let sql = "SELECT 1 FROM outcome WHERE n = ?1 AND kept = ?2";
    Ok(db.prepare_cached(sql)?.exists((n, kept))?)
}

/// By how many the finished messages exceed `count_max`. Nobody counts them as they come and go, so
/// this reads a narrow table from its end: about 30 ms for a million, and next to nothing for few.
fn surplus(db: &Connection, ns: i64, dead: i64, count_max: u64) -> Fallible<i64> {
    let sql = "SELECT COUNT(*) FROM finished WHERE ns = ?1 AND dead = ?2";
    let count: i64 = db
        .prepare_cached(sql)?
        .query_row((ns, dead), |row| row.get(0))?;
    let surplus = count.saturating_sub(i64::try_from(count_max).unwrap_or(i64::MAX));
    // To SQLite a limit below zero is none.
    Ok(surplus.max(0))
}

fn is_any_old(tx: &Tx<'_>) -> Fallible<bool> {
    let sql = "SELECT 1 FROM finished WHERE ns = ?1 AND dead IN (0, 1) AND kept <= ?2 LIMIT 1";
    let found = tx
        .db
        .prepare_cached(sql)?
        .query_row((tx.ns, tx.now.as_millis()), |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
