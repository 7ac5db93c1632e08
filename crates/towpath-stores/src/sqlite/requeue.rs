//! Requeue: puts dead letters back.

use towpath_core::message::AttemptOutcome;
use towpath_core::{MessageId, Result, Verb};

use super::attempts::AttemptEnd;
use super::error::Fallible;
use super::moves::Place;
use super::tx::Tx;
use super::update::options_of;

pub(super) fn requeue(tx: &mut Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<Result<()>>> {
    ids.iter()
        .map(|id| tx.whole(|tx| requeue_one(tx, *id)))
        .collect()
}

fn requeue_one(tx: &mut Tx<'_>, id: MessageId) -> Fallible<()> {
    let mut row = tx.find_for(Verb::Requeue, id)?;
    let options =
        options_of(tx, row.n).map_err(|fault| fault.about(format_args!("message {id}")))?;
    // Its time to start begins again too: else one that had expired would expire at once.
    row.expires = options.expires_in.map(|ttl| tx.now.after(ttl));
    let end = AttemptEnd {
        outcome: AttemptOutcome::Requeued,
        started: None,
        error: None,
    };
    tx.add_attempt(row.n, i64::from(row.counters.claims), None, end)?;
    tx.shift(row, Verb::Requeue, Place::Ready)
}
