//! Brief: the little that waiters ask for.

use towpath_core::store::Brief;
use towpath_core::{MessageId, Status};

use super::columns::{Columns, state_of};
use super::error::Fallible;
use super::reader::Look;
use super::statement::statement;

pub(super) fn brief(look: &mut Look<'_>, ids: &[MessageId]) -> Fallible<Vec<Brief>> {
    ids.iter().map(|id| brief_one(look, *id)).collect()
}

fn brief_one(look: &mut Look<'_>, id: MessageId) -> Fallible<Brief> {
    let mut statement = look.db.prepare_cached(statement!("brief"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(Brief::UNKNOWN);
    };
    let columns = Columns(row);
    read(look, &columns).map_err(|fault| fault.about(format_args!("message {id}")))
}

fn read(look: &mut Look<'_>, columns: &Columns<'_>) -> Fallible<Brief> {
    let l = columns.int(0, "line")?;
    if look.lines.name(look.db, look.ns, l)?.is_none() {
        return Ok(Brief::UNKNOWN);
    }
    let running = columns.maybe_int(3, "inflight.claims")?.is_some();
    let ended = columns.maybe_int(4, "outcome.state")?;
    let claims = if ended.is_some() {
        columns.u32(5, "outcome.claims")?
    } else if running {
        columns.u32(3, "inflight.claims")?
    } else {
        columns.u32(2, "claims")?
    };
    let state = state_of(ended, running, columns.int(1, "scheduled")?)?;
    Ok(Brief {
        status: Status::of(state, claims),
        claims,
        details: columns.u32(6, "scratch.details_set")?,
    })
}
