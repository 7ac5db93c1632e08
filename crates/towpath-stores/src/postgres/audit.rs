//! Audit: looks for messages that no structure leads to, and mends them.

use std::collections::HashMap;

use towpath_core::store::{Audit, Cursor, Finding, Topic};
use towpath_core::{Error, MessageId, State};

use super::columns::{Columns, rows};
use super::error::Fallible;
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn audit(tx: &Tx<'_>, after: Option<&Cursor>, max: usize) -> Fallible<Audit> {
    let after = match after.map(|cursor| cursor.0.as_slice()) {
        None => i64::MIN,
        Some([n]) => *n,
        Some(_) => return Err(Error::invalid("the cursor is not of an audit").into()),
    };
    let mut looked = look(tx, after, rows(max.saturating_add(1))).await?;
    let more = looked.len() > max;
    looked.truncate(max);
    let astray: Vec<MessageId> = looked
        .iter()
        .filter(|seen| !seen.stands)
        .map(|seen| seen.id)
        .collect();
    Ok(Audit {
        scanned: looked.len(),
        mended: mend(tx, &astray, after, rows(max)).await?,
        next: looked
            .last()
            .filter(|_| more)
            .map(|seen| Cursor(vec![seen.n])),
    })
}

struct Seen {
    n: i64,
    id: MessageId,
    stands: bool,
}

async fn look(tx: &Tx<'_>, after: i64, limit: i64) -> Fallible<Vec<Seen>> {
    let rows = tx.query(statement!("audit"), &[&after, &limit]).await?;
    let read = |row| {
        let columns = Columns(row);
        Ok(Seen {
            n: columns.long("n")?,
            id: columns.message_id("id")?,
            stands: columns.flag("stands")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Puts messages that stand nowhere into their lines, after another look under locks.
async fn mend(tx: &Tx<'_>, astray: &[MessageId], after: i64, limit: i64) -> Fallible<Vec<Finding>> {
    if astray.is_empty() {
        return Ok(Vec::new());
    }
    let mut held = tx.hold(None, astray, false).await?;
    let seen = look(tx, after, limit).await?;
    let stands: HashMap<MessageId, bool> = seen.iter().map(|seen| (seen.id, seen.stands)).collect();
    let mut mended = Vec::new();
    for id in astray {
        let Ok(row) = held.find(*id) else {
            continue;
        };
        let state = row.state;
        if stands.get(id) != Some(&false) || state.is_terminal() {
            continue;
        }
        held.put(
            Row {
                state: State::Ready,
                due: None,
                ..row
            },
            None,
        );
        tx.ring(Topic::Work);
        mended.push(Finding {
            about: format!("message {id}"),
            problem: format!("was {state} and stood nowhere; it stands in its line again"),
        });
    }
    held.commit().await?;
    Ok(mended)
}
