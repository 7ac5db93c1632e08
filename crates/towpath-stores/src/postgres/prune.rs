//! Prune: deletes finished messages whose retention has ended, or that are too many.
//!
//! Nobody counts the finished messages as they come and go. Whether they are too many is found out by going
//! through an index from its new end, a tenth of a second for a million; where that took long and found
//! nothing, it is not done again for a while.

use std::cell::Cell;
use std::time::{Duration, Instant};

use towpath_core::Timestamp;
use towpath_core::store::{Pruned, Topic};

use super::columns::{Columns, rows};
use super::error::Fallible;
use super::tx::Tx;

/// From that long on a search that found nothing is not repeated for [`REST`].
const LONG: Duration = Duration::from_millis(20);
const REST: Duration = Duration::from_secs(60);
/// Fewer than that are never long to search.
const MANY: i64 = 10_000;

/// Until when each half, the succeeded and the dead, is not searched again.
#[derive(Debug, Default)]
pub(super) struct Searched([Cell<Option<Instant>>; 2]);

/// Until when a message is kept, and its number.
type Standing = (Option<i64>, Option<i64>);

pub(super) async fn prune(tx: &Tx<'_>, max: usize) -> Fallible<Pruned> {
    let retention = tx.retention;
    let succeeded = surplus(tx, false, retention.succeeded_count).await?;
    let dead = surplus(tx, true, retention.dead_count).await?;
    let kept = vec![succeeded.0, dead.0];
    let numbers = vec![succeeded.1, dead.1];
    let sql = "SELECT * FROM prune($1, $2, $3, $4)";
    let row = tx
        .query_one(sql, &[&tx.now(), &rows(max), &kept, &numbers])
        .await?;
    let columns = Columns(&row);
    let pruned = Pruned {
        removed: columns.size("removed")?,
        more: columns.flag("more")?,
    };
    if pruned.removed > 0 {
        tx.ring(Topic::Change);
    }
    Ok(pruned)
}

/// The last of a half that is one too many.
async fn surplus(tx: &Tx<'_>, of_dead: bool, keep: u64) -> Fallible<Standing> {
    let rest = &tx.shop.searched.0[usize::from(of_dead)];
    let begun = Instant::now();
    if rest.get().is_some_and(|until| begun < until) {
        return Ok((None, None));
    }
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let row = tx
        .query_one("SELECT * FROM surplus($1, $2)", &[&of_dead, &keep])
        .await?;
    let columns = Columns(&row);
    let kept = columns.maybe_time("kept")?;
    if kept.is_none() && keep >= MANY && begun.elapsed() >= LONG {
        rest.set(Some(begun + REST));
    }
    Ok((kept.map(Timestamp::as_millis), columns.maybe_long("n")?))
}
