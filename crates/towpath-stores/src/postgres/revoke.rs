//! Revoke: calls messages off.

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Revoked, Topic};
use towpath_core::{Error, Kind, MessageId, Result, State, Verb};

use super::attempts::AttemptEnd;
use super::error::Fallible;
use super::moves::{Held, Place, per_item};
use super::tx::Tx;

pub(super) async fn revoke(
    tx: &Tx<'_>,
    ids: &[MessageId],
    skip_running: bool,
) -> Fallible<Vec<Result<Revoked>>> {
    let mut held = tx.hold(None, ids, false).await?;
    let answers = ids
        .iter()
        .map(|id| per_item(revoke_one(tx, &mut held, *id, skip_running)))
        .collect::<Fallible<_>>()?;
    held.commit().await?;
    Ok(answers)
}

fn revoke_one(
    tx: &Tx<'_>,
    held: &mut Held<'_, '_>,
    id: MessageId,
    skip_running: bool,
) -> Fallible<Revoked> {
    let row = held.find_for(Verb::Revoke, id)?;
    if row.state != State::Running {
        held.shift(row, Verb::Revoke, Place::Revoked);
        return Ok(Revoked::Waiting);
    }
    if skip_running {
        let text = format!("message {id} is being run, and those are to be skipped");
        return Err(Error::new(Kind::WrongState, text).into());
    }
    let end = AttemptEnd {
        outcome: AttemptOutcome::Revoked,
        started: row.started,
        error: None,
    };
    held.remember(&row, &end)?;
    held.shift(row, Verb::Revoke, Place::Revoked);
    tx.ring(Topic::Revocation);
    Ok(Revoked::Running)
}
