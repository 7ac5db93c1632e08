//! Standing: what has become of tokens.

use std::collections::HashMap;

use towpath_core::store::Standing;
use towpath_core::{IncarnationId, MessageId, State, Token};
use uuid::Uuid;

use super::columns::{Columns, state_of, uuid};
use super::error::Fallible;
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn standing(
    tx: &Tx<'_>,
    incarnation: IncarnationId,
    tokens: &[Token],
) -> Fallible<Vec<Standing>> {
    let who = Uuid::from_bytes(*incarnation.as_bytes());
    let ids: Vec<Uuid> = tokens.iter().map(|token| uuid(token.id)).collect();
    let rows = tx.query(statement!("standing"), &[&who, &ids]).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let (id, claims, standing) = read(&Columns(row))?;
        found.insert(id, (claims, standing));
    }
    let of = |token: &Token| match found.get(&token.id) {
        Some((claims, standing)) if *claims == token.claims => *standing,
        _ => Standing::Lost,
    };
    Ok(tokens.iter().map(of).collect())
}

/// The claims that a message has now, and what the token of that number is worth.
fn read(columns: &Columns<'_>) -> Fallible<(MessageId, u32, Standing)> {
    let id = columns.message_id("id")?;
    let ended: Option<i16> = columns.get("ended_state")?;
    let running = columns.maybe_long("held_claims")?.is_some();
    let state = state_of(ended, running, false)?;
    let claims = match state {
        State::Running => columns.u32("held_claims")?,
        _ if ended.is_some() => columns.u32("ended_claims")?,
        _ => columns.u32("claims")?,
    };
    let standing = match state {
        State::Running if columns.flag("ours")? => Standing::Held,
        State::Revoked => Standing::Revoked,
        _ => Standing::Lost,
    };
    Ok((id, claims, standing))
}
