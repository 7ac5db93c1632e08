//! Requeue: puts dead letters back.

use towpath_core::message::AttemptOutcome;
use towpath_core::{MessageId, Result, Verb};

use super::attempts::AttemptEnd;
use super::bodies::read_options;
use super::error::Fallible;
use super::moves::{Held, Place, per_item};
use super::tx::Tx;

pub(super) async fn requeue(tx: &Tx<'_>, ids: &[MessageId]) -> Fallible<Vec<Result<()>>> {
    let mut held = tx.hold(None, ids, true).await?;
    let answers = ids
        .iter()
        .map(|id| per_item(requeue_one(&mut held, *id)))
        .collect::<Fallible<_>>()?;
    held.commit().await?;
    Ok(answers)
}

fn requeue_one(held: &mut Held<'_, '_>, id: MessageId) -> Fallible<()> {
    let mut row = held.find_for(Verb::Requeue, id)?;
    let options = read_options(row.options.as_deref())
        .map_err(|fault| fault.about(format_args!("message {id}")))?;
    // Its time to start begins again too: else one that had expired would expire at once.
    row.expires = options.expires_in.map(|ttl| held.now.after(ttl));
    let end = AttemptEnd {
        outcome: AttemptOutcome::Requeued,
        started: None,
        error: None,
    };
    held.history.add(&row, None, &end)?;
    held.shift(row, Verb::Requeue, Place::Ready);
    Ok(())
}
