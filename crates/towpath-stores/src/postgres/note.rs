//! Note: what a running handler leaves with its message.

use towpath_core::store::{Note, Topic};
use towpath_core::{Error, IncarnationId, Token};
use uuid::Uuid;

use super::columns::{Columns, uuid};
use super::error::Fallible;
use super::settle::lease_lost;
use super::tx::Tx;

pub(super) async fn note(
    tx: &Tx<'_>,
    incarnation: IncarnationId,
    token: Token,
    note: &Note,
) -> Fallible<()> {
    let (mut details, mut codec, mut saved) = (None, None, None);
    match note {
        Note::Details(value) => {
            details = Some(serde_json::to_string(value).map_err(|error| {
                Error::invalid(format!("the details cannot be written as JSON: {error}"))
            })?);
        }
        Note::Saved(payload) => {
            codec = Some(payload.codec().as_str());
            saved = Some(&payload.bytes()[..]);
        }
    }
    let who = Uuid::from_bytes(*incarnation.as_bytes());
    let (id, claims) = (uuid(token.id), i64::from(token.claims));
    let sql = "SELECT note($1, $2, $3, $4, $5, $6) AS held";
    let row = tx
        .query_one(sql, &[&who, &id, &claims, &details, &codec, &saved])
        .await?;
    if !Columns(&row).flag("held")? {
        return Err(lease_lost(incarnation, token).into());
    }
    if details.is_some() {
        tx.ring(Topic::Change);
    }
    Ok(())
}
