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
    delete_run(tx, n, n)
}

/// As [`delete`], every message from the number `first` to the number `last`.
pub(super) fn delete_run(tx: &mut Tx<'_>, first: i64, last: i64) -> Fallible<()> {
    bodies::forget_all(tx.db, first, last)?;
    for sql in [
        "DELETE FROM attempt WHERE n BETWEEN ?1 AND ?2",
        "DELETE FROM scratch WHERE n BETWEEN ?1 AND ?2",
        "DELETE FROM outcome WHERE n BETWEEN ?1 AND ?2",
        "DELETE FROM message WHERE n BETWEEN ?1 AND ?2",
    ] {
        tx.db.prepare_cached(sql)?.execute((first, last))?;
    }
    tx.rings.add(Topic::Change);
    Ok(())
}
