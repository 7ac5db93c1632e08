//! Revoke: calls messages off.

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Revoked, Topic};
use towpath_core::{Error, Kind, MessageId, Result, State, Verb};

use super::attempts::AttemptEnd;
use super::error::Fallible;
use super::moves::Place;
use super::tx::Tx;

pub(super) fn revoke(
    tx: &mut Tx<'_>,
    ids: &[MessageId],
    skip_running: bool,
) -> Fallible<Vec<Result<Revoked>>> {
    ids.iter()
        .map(|id| tx.whole(|tx| revoke_one(tx, *id, skip_running)))
        .collect()
}

fn revoke_one(tx: &mut Tx<'_>, id: MessageId, skip_running: bool) -> Fallible<Revoked> {
    let row = tx.find_for(Verb::Revoke, id)?;
    if row.state != State::Running {
        tx.shift(row, Verb::Revoke, Place::Revoked)?;
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
    tx.remember(&row, end)?;
    tx.shift(row, Verb::Revoke, Place::Revoked)?;
    tx.rings.add(Topic::Revocation);
    Ok(Revoked::Running)
}
