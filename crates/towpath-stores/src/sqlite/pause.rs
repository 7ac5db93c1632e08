//! Pause: stops handing out messages of a queue, or starts again.

use towpath_core::QueueName;
use towpath_core::store::Topic;

use super::error::Fallible;
use super::tx::Tx;

pub(super) fn pause(tx: &mut Tx<'_>, queue: &QueueName, paused: bool) -> Fallible<bool> {
    let sql = if paused {
        "INSERT INTO pause (ns, queue) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM pause WHERE ns = ?1 AND queue = ?2"
    };
    let changed = tx
        .db
        .prepare_cached(sql)?
        .execute((tx.ns, queue.as_str()))?
        > 0;
    tx.forget_paused();
    if changed && !paused {
        tx.rings.add(Topic::Work);
    }
    Ok(changed)
}
