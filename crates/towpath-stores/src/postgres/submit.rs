//! Submit: accepts messages.

use std::ops::Range;

use towpath_core::store::Topic;
use towpath_core::{Draft, Error, Kind, Result};

use super::bodies::DraftColumns;
use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::moves::check_batch;
use super::tx::Tx;

pub(super) async fn submit(tx: &Tx<'_>, drafts: &[Draft]) -> Fallible<Vec<Result<()>>> {
    check_batch("submit", drafts.len())?;
    let lines = tx.lines_of(drafts).await?;
    let accepted = insert(tx, drafts, &lines).await?;
    tx.commit().await?;
    let answer = |(draft, accepted): (&Draft, bool)| {
        if accepted {
            return Ok(());
        }
        let text = format!("message {} is already in the store", draft.id);
        Err(Error::new(Kind::AlreadyExists, text))
    };
    Ok(drafts.iter().zip(accepted).map(answer).collect())
}

/// Writes these drafts, whose lines are known; answers which were not known before. In one statement, or in
/// a transaction of several where they are large, which the caller ends.
pub(super) async fn insert(tx: &Tx<'_>, drafts: &[Draft], lines: &[i32]) -> Fallible<Vec<bool>> {
    let mut accepted = vec![false; drafts.len()];
    let mut rest = 0..drafts.len();
    while !rest.is_empty() {
        let mut columns = DraftColumns::default();
        let mut at = rest.start;
        while at < rest.end && !columns.is_full() {
            columns.push(&drafts[at], lines[at])?;
            at += 1;
        }
        let stretch = rest.start..at;
        if stretch.len() < drafts.len() {
            tx.begin_plain().await?;
        }
        insert_stretch(tx, &columns, stretch, &mut accepted).await?;
        rest.start = at;
    }
    Ok(accepted)
}

async fn insert_stretch(
    tx: &Tx<'_>,
    columns: &DraftColumns<'_>,
    stretch: Range<usize>,
    accepted: &mut [bool],
) -> Fallible<()> {
    let rows = tx
        .query(
            "SELECT * FROM submit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            &[
                &tx.now(),
                &columns.ids,
                &columns.lines,
                &columns.priorities,
                &columns.starts_after,
                &columns.starts_at,
                &columns.expire_in,
                &columns.keep,
                &columns.codecs,
                &columns.payloads,
                &columns.options,
                &columns.previous_codecs,
                &columns.previous,
            ],
        )
        .await?;
    let first = stretch.start;
    let stretch = accepted.get_mut(stretch).unwrap_or_default();
    for row in &rows {
        let columns = Columns(row);
        let place = columns.size("place")?;
        let answer = place.checked_sub(1).and_then(|at| stretch.get_mut(at));
        let odd = || Fault::damaged("place", format_args!("is {place} after {first}"));
        *answer.ok_or_else(odd)? = true;
        tx.ring(Topic::Change);
        tx.ring(if columns.flag("was_scheduled")? {
            Topic::Schedule
        } else {
            Topic::Work
        });
    }
    Ok(())
}
