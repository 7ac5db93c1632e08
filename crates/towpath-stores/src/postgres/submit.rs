//! Submit: accepts messages.

use std::collections::HashSet;

use towpath_core::{Draft, Error, Kind, Result, State};
use uuid::Uuid;

use super::bodies::{DraftColumns, sparse};
use super::columns::Columns;
use super::error::Fallible;
use super::moves::check_batch;
use super::tx::Tx;

pub(super) const SUBMIT: &str =
    "SELECT * FROM submit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(super) async fn submit(tx: &Tx<'_>, drafts: &[Draft]) -> Fallible<Vec<Result<()>>> {
    check_batch("submit", drafts.len())?;
    let lines = tx.lines_of(drafts).await?;
    let accepted = insert(tx, drafts, &lines).await?;
    tx.commit().await?;
    let answer = |(draft, accepted): (&Draft, bool)| {
        if accepted {
            return Ok(());
        }
        Err(known(draft))
    };
    Ok(drafts.iter().zip(accepted).map(answer).collect())
}

/// The refusal of a message that there is already.
pub(super) fn known(draft: &Draft) -> Error {
    let text = format!("message {} is already in the store", draft.id);
    Error::new(Kind::AlreadyExists, text)
}

/// Writes these drafts, whose lines are known; answers which were not known before. In one statement, or in
/// a transaction of several where they are large, which the caller ends.
pub(super) async fn insert(tx: &Tx<'_>, drafts: &[Draft], lines: &[i32]) -> Fallible<Vec<bool>> {
    let mut accepted = Vec::with_capacity(drafts.len());
    let mut rest = drafts.iter().zip(lines).peekable();
    while rest.peek().is_some() {
        let mut columns = DraftColumns::default();
        while let Some((draft, line)) = rest.next_if(|_| !columns.is_full()) {
            columns.push(draft, *line)?;
        }
        if rest.peek().is_some() {
            tx.begin_plain().await?;
        }
        insert_stretch(tx, &columns, &mut accepted).await?;
    }
    Ok(accepted)
}

async fn insert_stretch(
    tx: &Tx<'_>,
    columns: &DraftColumns<'_>,
    accepted: &mut Vec<bool>,
) -> Fallible<()> {
    let row = tx
        .query_one(
            SUBMIT,
            &[
                &tx.now(),
                &columns.ids,
                &columns.lines,
                &columns.priorities,
                &sparse(&columns.starts_after),
                &sparse(&columns.starts_at),
                &sparse(&columns.expire_in),
                &sparse(&columns.keep),
                &sparse(&columns.codecs),
                &columns.payloads,
                &sparse(&columns.options),
                &sparse(&columns.previous_codecs),
                &sparse(&columns.previous),
            ],
        )
        .await?;
    let told = Columns(&row);
    for (any, state) in [
        ("any_ready", State::Ready),
        ("any_scheduled", State::Scheduled),
    ] {
        if told.flag(any)? {
            tx.ring_for(state);
        }
    }
    let Some(ids) = told.get::<Option<Vec<Uuid>>>("accepted_ids")? else {
        accepted.resize(accepted.len() + columns.ids.len(), true);
        return Ok(());
    };
    // Of two equal ids the first counts.
    let mut ids: HashSet<Uuid> = ids.into_iter().collect();
    accepted.extend(columns.ids.iter().map(|id| ids.remove(id)));
    Ok(())
}
