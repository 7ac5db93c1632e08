//! Pause: stops handing out messages of a queue, or starts again.

use towpath_core::QueueName;
use towpath_core::store::Topic;

use super::error::Fallible;
use super::tx::Tx;

pub(super) async fn pause(tx: &Tx<'_>, queue: &QueueName, paused: bool) -> Fallible<bool> {
    let sql = if paused {
        "INSERT INTO pause (queue) VALUES ($1) ON CONFLICT DO NOTHING RETURNING queue"
    } else {
        "DELETE FROM pause WHERE queue = $1 RETURNING queue"
    };
    let changed = !tx.query(sql, &[&queue.as_str()]).await?.is_empty();
    if changed && !paused {
        tx.ring(Topic::Work);
    }
    Ok(changed)
}
