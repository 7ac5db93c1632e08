//! Submit: accepts messages.

use std::collections::HashSet;
use std::sync::Arc;

use towpath_core::{Draft, Error, Kind, Result, State};
use uuid::Uuid;

use super::bodies::{DraftColumns, sparse};
use super::columns::Columns;
use super::driver::{Driver, Shop};
use super::error::Fallible;
use super::moves::check_batch;
use super::tx::Tx;
use crate::gather::{Accepted, Gather, Group, Most};

pub(super) const SUBMIT: &str =
    "SELECT * FROM submit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// Of one transaction that serves several callers.
const TOGETHER: Most = Most {
    messages: 1_000,
    bytes: 4 * 1024 * 1024,
};

/// Has messages accepted, those of many callers in one transaction. `None` when the driver has ended, or ends before.
pub(super) async fn gathered(
    driver: &Driver,
    gather: &Arc<Gather<()>>,
    drafts: Vec<Draft>,
) -> Result<Option<Result<Accepted>>> {
    check_batch("submit", drafts.len())?;
    // Before anything is brought: a turn is never in the hands of somebody who still waits.
    let Some(begin) = driver.reserve().await else {
        return Ok(None);
    };
    let (answer, turn) = gather.bring((), drafts);
    if let Some(mut turn) = turn {
        begin.send(Box::new(move |shop| {
            Box::pin(async move {
                while let Some(group) = turn.next(TOGETHER) {
                    if let Err(error) = serve(&shop, group).await {
                        turn.fail_waiting(&error);
                    }
                }
            })
        }));
    }
    Ok(answer.await.ok())
}

/// What cannot be accepted is told to him alone who has brought it: a transaction that fails leaves nothing, so the
/// callers can be tried one by one.
/// Answers a passing fault, which those who come next would meet with as well.
async fn serve(shop: &Shop, group: Group) -> Result<()> {
    let answers = shop.attend(async |tx: &Tx<'_>| submit(tx, group.drafts()).await);
    let answers = answers.await;
    let is_to_blame = |error: &Error| !error.is_transient();
    if group.is_of_many() && answers.as_ref().is_err_and(is_to_blame) {
        for alone in group.apart() {
            let answers = shop.attend(async |tx: &Tx<'_>| submit(tx, alone.drafts()).await);
            let answers = answers.await;
            alone.answer(answers);
        }
        return Ok(());
    }
    let fault = answers.as_ref().err().filter(|error| error.is_transient());
    let fault = fault.cloned();
    group.answer(answers);
    fault.map_or(Ok(()), Err)
}

pub(super) async fn submit(tx: &Tx<'_>, drafts: &[Draft]) -> Fallible<Accepted> {
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
