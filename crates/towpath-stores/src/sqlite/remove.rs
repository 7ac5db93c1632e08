//! Remove: deletes messages with all that belongs to them.

use towpath_core::store::Topic;
use towpath_core::{MessageId, Result, Verb};

use super::bodies;
use super::error::Fallible;
use super::tx::Tx;

pub(super) fn remove(tx: &mut Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<Result<()>>> {
    ids.iter()
        .map(|id| tx.whole(|tx| remove_one(tx, *id)))
        .collect()
}

fn remove_one(tx: &mut Tx<'_>, id: MessageId) -> Fallible<()> {
    let row = tx.find_for(Verb::Remove, id)?;
    tx.take_out(&row)?;
    delete(tx, row.n)
}

/// Deletes a message that stands nowhere any more, and tells those who wait for it.
pub(super) fn delete(tx: &mut Tx<'_>, n: i64) -> Fallible<()> {
    bodies::forget_all(tx.db, n)?;
    for sql in [
        "DELETE FROM attempt WHERE n = ?1",
        "DELETE FROM scratch WHERE n = ?1",
        "DELETE FROM outcome WHERE n = ?1",
        "DELETE FROM message WHERE n = ?1",
    ] {
        tx.db.prepare_cached(sql)?.execute([n])?;
    }
    tx.rings.add(Topic::Change);
    Ok(())
}
