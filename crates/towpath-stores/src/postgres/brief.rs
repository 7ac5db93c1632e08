//! Brief: the little that waiters ask for.

use std::collections::HashMap;

use towpath_core::store::Brief;
use towpath_core::{MessageId, Status};

use super::columns::{Columns, state_of, uuids};
use super::error::Fallible;
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn brief(tx: &Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<Brief>> {
    let rows = tx.query(statement!("brief"), &[&uuids(ids)]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = Columns(row);
        let id = columns.message_id("id")?;
        let brief = read(&columns).map_err(|fault| fault.about(format_args!("message {id}")))?;
        found.insert(id, brief);
    }
    let of = |id: &MessageId| found.get(id).copied().unwrap_or(Brief::UNKNOWN);
    Ok(ids.iter().map(of).collect())
}

fn read(columns: &Columns<'_>) -> Fallible<Brief> {
    let ended: Option<i16> = columns.get("ended_state")?;
    let running = columns.maybe_long("held_claims")?.is_some();
    let claims = if ended.is_some() {
        columns.u32("ended_claims")?
    } else if running {
        columns.u32("held_claims")?
    } else {
        columns.u32("claims")?
    };
    let state = state_of(ended, running, columns.flag("scheduled")?)?;
    Ok(Brief {
        status: Status::of(state, claims),
        claims,
        details: columns.u32("details_set")?,
    })
}
