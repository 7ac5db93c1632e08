//! Note: what a running handler leaves with its message.

use rusqlite::params;
use towpath_core::store::{Note, Topic};
use towpath_core::{Error, IncarnationId, Token};

use super::error::Fallible;
use super::row::Row;
use super::settle::lease_lost;
use super::statement::statement;
use super::tx::Tx;

pub(super) fn note(
    tx: &mut Tx<'_>,
    incarnation: IncarnationId,
    token: Token,
    note: &Note,
) -> Fallible<()> {
    let n = match (tx.alive(incarnation)?, Row::by_id(tx.db, token.id)?) {
        (Some(worker), Some(row)) if row.is_held(worker, token) => row.n,
        _ => return Err(lease_lost(incarnation, token).into()),
    };
    match note {
        Note::Details(details) => {
            let text = serde_json::to_string(details).map_err(|error| {
                Error::invalid(format!("the details cannot be written as JSON: {error}"))
            })?;
            let sql = statement!("set_details");
            tx.db.prepare_cached(sql)?.execute(params![n, text])?;
            tx.rings.add(Topic::Change);
        }
        Note::Saved(payload) => {
            let sql = statement!("set_saved");
            tx.db.prepare_cached(sql)?.execute(params![
                n,
                payload.codec().as_str(),
                &payload.bytes()[..]
            ])?;
        }
    }
    Ok(())
}
