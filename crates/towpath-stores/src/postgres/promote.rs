//! Promote: what was scheduled becomes ready when its time has come.

use towpath_core::State;
use towpath_core::store::Promoted;

use super::columns::{Columns, rows};
use super::error::Fallible;
use super::tx::Tx;

pub(super) async fn promote(tx: &Tx<'_>, max: usize) -> Fallible<Promoted> {
    let sql = "SELECT * FROM promote($1, $2)";
    let row = tx.query_one(sql, &[&tx.now(), &rows(max)]).await?;
    let columns = Columns(&row);
    let promoted = Promoted {
        moved: columns.size("moved")?,
        next_due: columns.maybe_time("next_due")?,
    };
    if promoted.moved > 0 {
        tx.ring_for(State::Ready);
    }
    Ok(promoted)
}
