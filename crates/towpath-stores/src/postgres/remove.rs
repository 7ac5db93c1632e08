//! Remove: deletes messages with all that belongs to them.

use std::collections::HashSet;

use towpath_core::store::Topic;
use towpath_core::{MessageId, Result, Verb};

use super::error::Fallible;
use super::moves::Held;
use super::row::not_found;
use super::tx::Tx;

pub(super) async fn remove(tx: &Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<Result<()>>> {
    let held = tx.hold(None, ids, false).await?;
    let mut gone = HashSet::new();
    let mut numbers = Vec::new();
    let mut remove_one = |id: &MessageId| -> Result<()> {
        let n = removable(&held, *id)?;
        if !gone.insert(n) {
            return Err(not_found(*id));
        }
        numbers.push(n);
        Ok(())
    };
    let answers = ids.iter().map(&mut remove_one).collect();
    if !numbers.is_empty() {
        tx.query("SELECT erase($1)", &[&numbers]).await?;
        tx.ring(Topic::Change);
    }
    tx.commit().await?;
    Ok(answers)
}

fn removable(held: &Held<'_, '_>, id: MessageId) -> Result<i64> {
    held.find_for(Verb::Remove, id).map(|row| row.n)
}
