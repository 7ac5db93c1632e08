//! Expire: what was not started in time becomes a dead letter.

use towpath_core::{FailReason, MessageId, Verb};

use super::columns::{Columns, rows};
use super::error::Fallible;
use super::moves::Place;
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn expire(tx: &Tx<'_>, max: usize) -> Fallible<usize> {
    let now = tx.wall().await?;
    let found = tx
        .query(statement!("expired"), &[&now.as_millis(), &rows(max)])
        .await?;
    let ids = found.iter().map(|row| Columns(row).message_id("id"));
    let ids: Vec<MessageId> = ids.collect::<Fallible<_>>()?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut held = tx.hold(None, &ids, false).await?;
    let mut expired = 0;
    for id in ids {
        // Somebody may have taken it meanwhile; a damaged one is left to whoever meets it where it stands.
        if let Ok(row) = held.find(id)
            && row.waits()
            && row.is_expired(held.now)
        {
            held.shift(row, Verb::Expire, Place::Failed(FailReason::Expired));
            expired += 1;
        }
    }
    held.commit().await?;
    Ok(expired)
}
