//! Replay: submits copies of finished messages.

use std::collections::HashMap;

use towpath_core::message::{Record, Start};
use towpath_core::{Draft, Error, Kind, MessageId, Result};

use super::error::Fallible;
use super::get::records;
use super::row::not_found;
use super::submit::submit;
use super::tx::Tx;

pub(super) async fn replay(
    tx: &Tx<'_>,
    ids: &[(MessageId, MessageId)],
) -> Fallible<Vec<Result<()>>> {
    let old: Vec<MessageId> = ids.iter().map(|(id, _)| *id).collect();
    let found = records(tx, &old).await?;
    let copies: Vec<Result<Draft>> = ids
        .iter()
        .map(|(id, new_id)| copy(&found, *id, *new_id))
        .collect();
    let drafts: Vec<Draft> = copies
        .iter()
        .filter_map(|copy| copy.as_ref().ok().cloned())
        .collect();
    let mut submitted = submit(tx, &drafts).await?.into_iter();
    let answer = |copy: Result<Draft>| copy.and_then(|_| submitted.next().unwrap_or(Ok(())));
    Ok(copies.into_iter().map(answer).collect())
}

/// A copy of a message that has ended, to be submitted under another id: wanted now, not after the delay it
/// once had.
fn copy(
    found: &HashMap<MessageId, Result<Record>>,
    id: MessageId,
    new_id: MessageId,
) -> Result<Draft> {
    let record = found
        .get(&id)
        .cloned()
        .unwrap_or_else(|| Err(not_found(id)))?;
    let state = record.state;
    if !state.is_terminal() {
        return Err(Error::new(
            Kind::WrongState,
            format!(
                "message {id}: cannot replay a message that is {state} \
                 (it must be succeeded, failed, revoked)"
            ),
        ));
    }
    let mut copy = record.message.draft;
    copy.options.replay_of = Some(id);
    copy.id = new_id;
    copy.start = Start::Now;
    Ok(copy)
}
