//! Update: changes messages that wait.

use rusqlite::params;
use towpath_core::store::Update;
use towpath_core::{MessageId, Result, State, Verb};

use super::bodies::{self, Body, encode_options, encode_start, inline_options, read_options};
use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::row::Row;
use super::submit::payload_columns;
use super::tx::Tx;

pub(super) fn update(
    tx: &mut Tx<'_>,
    updates: &[(MessageId, Update)],
) -> Fallible<Vec<Result<()>>> {
    updates
        .iter()
        .map(|(id, update)| tx.whole(|tx| update_one(tx, *id, update)))
        .collect()
}

fn update_one(tx: &mut Tx<'_>, id: MessageId, update: &Update) -> Fallible<()> {
    let row = tx.find_for(Verb::Update, id)?;
    let n = row.n;
    move_within_line(tx, &row, update)?;
    if let Some(start) = update.start {
        let (after, at) = encode_start(start);
        let sql = "UPDATE message SET start_after = ?2, start_at = ?3 WHERE n = ?1";
        tx.db.prepare_cached(sql)?.execute((n, after, at))?;
    }
    if let Some(payload) = &update.payload {
        let (codec, inline) = payload_columns(payload);
        let sql = "UPDATE message SET codec = ?2, payload = ?3 WHERE n = ?1";
        tx.db
            .prepare_cached(sql)?
            .execute(params![n, codec, inline])?;
        bodies::forget(tx.db, n, Body::Payload)?;
        bodies::spill(tx.db, n, Body::Payload, payload.bytes())?;
    }
    if let Some(metadata) = &update.metadata {
        let mut options =
            options_of(tx, n).map_err(|fault| fault.about(format_args!("message {id}")))?;
        options.metadata.clone_from(metadata);
        let text = encode_options(&options)?;
        let sql = "UPDATE message SET options = ?2 WHERE n = ?1";
        let column = inline_options(text.as_deref());
        tx.db.prepare_cached(sql)?.execute(params![n, column])?;
        bodies::forget(tx.db, n, Body::Options)?;
        if let Some(text) = &text {
            bodies::spill(tx.db, n, Body::Options, text.as_bytes())?;
        }
    }
    Ok(())
}

fn move_within_line(tx: &mut Tx<'_>, old: &Row, update: &Update) -> Fallible<()> {
    let mut row = old.clone();
    row.priority = update.priority.unwrap_or(old.priority);
    row.counters = old.counters.after(Verb::Update);
    match update.start.map(|start| start.resolve(tx.now)) {
        None => {}
        Some(asked) if asked > tx.now => (row.state, row.due) = (State::Scheduled, asked),
        // One that is ready and may start now keeps its place among its equals.
        Some(_) if old.state == State::Ready => {}
        Some(_) => (row.state, row.due) = (State::Ready, tx.stamp()?),
    }
    tx.take_out(old)?;
    tx.write(&row)?;
    tx.put_in(&row)
}

pub(super) fn options_of(tx: &Tx<'_>, n: i64) -> Fallible<towpath_core::Options> {
    let mut statement = tx
        .db
        .prepare_cached("SELECT options FROM message WHERE n = ?1")?;
    let mut rows = statement.query([n])?;
    let row = rows
        .next()?
        .ok_or_else(|| Fault::damaged("n", "has no row"))?;
    read_options(tx.db, n, Columns(row).maybe_text(0, "options")?)
}
