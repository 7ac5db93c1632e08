//! Standing: what has become of tokens.

use rusqlite::OptionalExtension;
use towpath_core::store::Standing;
use towpath_core::{IncarnationId, State, Token};

use super::error::Fallible;
use super::reader::Look;
use super::row::Row;
use super::statement::statement;

pub(super) fn standing(
    look: &mut Look<'_>,
    incarnation: IncarnationId,
    tokens: &[Token],
) -> Fallible<Vec<Standing>> {
    let worker: Option<i64> = look
        .db
        .prepare_cached(statement!("worker_alive"))?
        .query_row((incarnation.as_bytes(), look.ns), |row| row.get(0))
        .optional()?;
    tokens
        .iter()
        .map(|token| standing_of(look, worker, *token))
        .collect()
}

fn standing_of(look: &Look<'_>, worker: Option<i64>, token: Token) -> Fallible<Standing> {
    let Some(row) = Row::by_id(look.db, token.id)? else {
        return Ok(Standing::Lost);
    };
    if worker.is_some_and(|worker| row.is_held(worker, token)) {
        return Ok(Standing::Held);
    }
    Ok(if row.token() == token && row.state == State::Revoked {
        Standing::Revoked
    } else {
        Standing::Lost
    })
}
