//! Update: changes messages that wait.

use towpath_core::store::Update;
use towpath_core::{MessageId, Result, State, Timestamp, Verb};

use super::bodies::{encode_options, encode_start, read_options};
use super::columns::codec_text;
use super::error::Fallible;
use super::moves::{Held, per_item};
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn update(
    tx: &Tx<'_>,
    updates: &[(MessageId, Update)],
) -> Fallible<Vec<Result<()>>> {
    let ids: Vec<MessageId> = updates.iter().map(|(id, _)| *id).collect();
    let mut held = tx.hold(None, &ids, true).await?;
    let mut answers = Vec::with_capacity(updates.len());
    let mut rewritten = Vec::new();
    for (id, update) in updates {
        let row = per_item(update_one(&mut held, *id, update))?;
        answers.push(row.map(|row| rewritten.push((row, update))));
    }
    held.write().await?;
    for (row, update) in &rewritten {
        rewrite(tx, row, update).await?;
    }
    tx.commit().await?;
    Ok(answers)
}

/// Moves the message within its lines, and answers it with the options that it is to have.
fn update_one(held: &mut Held<'_, '_>, id: MessageId, update: &Update) -> Fallible<Row> {
    let mut row = held.find_for(Verb::Update, id)?;
    if let Some(metadata) = &update.metadata {
        let mut options = read_options(row.options.as_deref())
            .map_err(|fault| fault.about(format_args!("message {id}")))?;
        options.metadata.clone_from(metadata);
        row.options = encode_options(&options)?;
    }
    row.priority = update.priority.unwrap_or(row.priority);
    row.counters = row.counters.after(Verb::Update);
    (row.state, row.due) = waiting(held.now, &row, update);
    held.put(row.clone(), None);
    Ok(row)
}

fn waiting(now: Timestamp, row: &Row, update: &Update) -> (State, Option<Timestamp>) {
    match update.start.map(|start| start.resolve(now)) {
        None => (row.state, row.due),
        Some(asked) if asked > now => (State::Scheduled, Some(asked)),
        // One that is ready and may start now keeps its place among its equals.
        Some(_) if row.state == State::Ready => (State::Ready, row.due),
        Some(_) => (State::Ready, None),
    }
}

async fn rewrite(tx: &Tx<'_>, row: &Row, update: &Update) -> Fallible<()> {
    let (start_after, start_at) = update.start.map_or((None, None), encode_start);
    let payload = update.payload.as_ref();
    let codec = payload.and_then(|payload| codec_text(payload.codec()));
    let bytes = payload.map(|payload| &payload.bytes()[..]);
    // An empty text stands for "all defaults", NULL for "as it is".
    let options = update
        .metadata
        .as_ref()
        .map(|_| row.options.as_deref().unwrap_or_default());
    tx.query(
        statement!("rewrite"),
        &[
            &row.n,
            &update.start.is_some(),
            &start_after,
            &start_at,
            &bytes,
            &codec,
            &options,
        ],
    )
    .await?;
    Ok(())
}
