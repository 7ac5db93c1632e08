//! Prune: deletes finished messages whose retention has ended, or that are too many.
//!
//! Nobody counts the finished messages as they come and go. Whether they are too many is found out by the
//! reader, which walks a narrow table from its new end: about 30 ms for a million, in which no writer waits.
//! What it hands to the writer is the last message that is one too many: all before it are, too, whatever
//! has come meanwhile.

use std::cmp::Ordering;

use rusqlite::{Connection, OptionalExtension};
use towpath_core::store::{Pruned, Retention};

use super::error::Fallible;
use super::order;
use super::reader::Look;
use super::remove::delete_run;
use super::statement::statement;
use super::tx::Tx;

/// Where a message stands among the finished: until when it is kept, and its number.
type Standing = (i64, i64);

/// The last of each half, the succeeded and the dead, that is to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds([Standing; 2]);

/// The last that was found to be one too many, for as long as any of those are there.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    found: [Option<(u64, Standing)>; 2],
}

/// What there is to prune; `None` when there is nothing.
pub(super) fn bounds(
    look: &Look<'_>,
    surplus: &mut Surplus,
    retention: Retention,
) -> Fallible<Option<Bounds>> {
    let mut bounds = Bounds([(look.clock.now().as_millis(), i64::MAX); 2]);
    let counts = [retention.succeeded_count, retention.dead_count];
    let mut found = false;
    for (half, (bound, count_max)) in bounds.0.iter_mut().zip(counts).enumerate() {
        if is_any(look.db, look.ns, half, *bound)? {
            // These go first anyway. To look for the surplus as well at each step would take the longer the
            // more there is to delete, and so leave ever more.
            found = true;
        } else if let Some(last) = surplus.last(look, half, count_max)? {
            *bound = last.max(*bound);
            found = true;
        }
    }
    Ok(found.then_some(bounds))
}

impl Surplus {
    fn last(&mut self, look: &Look<'_>, half: usize, count_max: u64) -> Fallible<Option<Standing>> {
        if let Some((former_max, last)) = self.found[half]
            && former_max == count_max
            && is_any(look.db, look.ns, half, last)?
        {
            return Ok(Some(last));
        }
        let sql = "SELECT kept, n FROM finished WHERE ns = ?1 AND dead = ?2 \
                   ORDER BY kept DESC, n DESC LIMIT 1 OFFSET ?3";
        let offset = i64::try_from(count_max).unwrap_or(i64::MAX);
        let last = look
            .db
            .prepare_cached(sql)?
            .query_row((look.ns, code(half), offset), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        self.found[half] = last.map(|last| (count_max, last));
        Ok(last)
    }
}

/// Deletes at most `max` of those that stand no later than `bounds`, the first to go first.
pub(super) fn prune(tx: &mut Tx<'_>, bounds: Bounds, max: usize) -> Fallible<Pruned> {
    let mut pruned = Pruned::default();
    for (half, bound) in bounds.0.into_iter().enumerate() {
        let found = first(tx, half, bound, max - pruned.removed)?;
        if let Some(last) = found.last() {
            let sql = "DELETE FROM finished WHERE ns = ?1 AND dead = ?2 AND (kept, n) <= (?3, ?4)";
            let (kept, n) = last.standing;
            tx.db
                .prepare_cached(sql)?
                .execute((tx.ns, code(half), kept, n))?;
            delete_all(tx, &found)?;
            pruned.removed += found.len();
        }
        let next = next(tx.db, tx.ns, half, bound)?;
        let met = found.iter().map(|finished| &finished.standing).chain(&next);
        // One that is still there although it was deleted would be met again and again.
        order::check("finished", Ordering::Greater, None, met)?;
        pruned.more |= next.is_some();
    }
    Ok(pruned)
}

/// One of the finished.
struct Finished {
    standing: Standing,
    /// Whether the message itself says that it is kept until then. If it does not, it is not what ended.
    tells_the_same: bool,
}

/// Messages mostly end in about the order in which they came, so that most of them stand in a few runs of
/// consecutive numbers, and each run is deleted by one statement a table.
fn delete_all(tx: &mut Tx<'_>, found: &[Finished]) -> Fallible<()> {
    let ended = found.iter().filter(|finished| finished.tells_the_same);
    let mut numbers: Vec<i64> = ended.map(|finished| finished.standing.1).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for run in numbers.chunk_by(|n, next| n.checked_add(1) == Some(*next)) {
        let (first, last) = (run[0], run[run.len() - 1]);
        delete_run(tx, first, last)?;
    }
    Ok(())
}

fn first(tx: &Tx<'_>, half: usize, bound: Standing, max: usize) -> Fallible<Vec<Finished>> {
    let mut statement = tx.db.prepare_cached(statement!("read_finished"))?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let params = (tx.ns, code(half), bound.0, bound.1, max);
    let rows = statement.query_map(params, |row| {
        Ok(Finished {
            standing: (row.get(0)?, row.get(1)?),
            tells_the_same: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether any of this half stands no later than `bound`.
fn is_any(db: &Connection, ns: i64, half: usize, bound: Standing) -> Fallible<bool> {
    Ok(next(db, ns, half, bound)?.is_some())
}

/// The first of this half, if it stands no later than `bound`.
fn next(db: &Connection, ns: i64, half: usize, (kept, n): Standing) -> Fallible<Option<Standing>> {
    let sql = "SELECT kept, n FROM finished WHERE ns = ?1 AND dead = ?2 AND (kept, n) <= (?3, ?4) \
               ORDER BY kept, n LIMIT 1";
    let next = db
        .prepare_cached(sql)?
        .query_row((ns, code(half), kept, n), |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
    Ok(next.optional()?)
}

/// What `finished.dead` says.
fn code(half: usize) -> i64 {
    i64::from(half == 1)
}
