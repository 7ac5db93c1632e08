//! Brief: the little that waiters ask for.

use towpath_core::store::Brief;
use towpath_core::{MessageId, Status};

use super::columns::Columns;
use super::error::Fallible;
use super::reader::Look;

pub(super) fn brief(look: &mut Look<'_>, ids: &[MessageId]) -> Fallible<Vec<Brief>> {
    ids.iter().map(|id| brief_one(look, *id)).collect()
}

fn brief_one(look: &mut Look<'_>, id: MessageId) -> Fallible<Brief> {
    let mut statement = look.db.prepare_cached(include_str!("sql/brief.sql"))?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else {
        return Ok(Brief::UNKNOWN);
    };
    let columns = Columns(row);
    let about = |fault: super::error::Fault| fault.about(format_args!("message {id}"));
    let l = columns.int(0, "line").map_err(about)?;
    if look.lines.name(look.db, look.ns, l)?.is_none() {
        return Ok(Brief::UNKNOWN);
    }
    let claims = columns.u32(2, "claims").map_err(about)?;
    Ok(Brief {
        status: Status::of(columns.state(1).map_err(about)?, claims),
        claims,
        details: columns.u32(3, "scratch.details_set").map_err(about)?,
    })
}
