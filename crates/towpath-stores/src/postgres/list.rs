//! List: windows of the sections, each in the order that its structure has anyway.

use tokio_postgres::Row;
use towpath_core::store::{Cursor, List, Section, Window};
use towpath_core::{Error, Result, limits};
use uuid::Uuid;

use super::columns::{Columns, rows};
use super::error::Fallible;
use super::get::records_by_number;
use super::statement::statement;
use super::tx::Tx;

/// The numbers of a cursor, and the message they lead to.
type Entry = (Vec<i64>, i64);

const FIRST: i64 = i64::MIN;
const LAST: i64 = i64::MAX;

pub(super) async fn list(tx: &Tx<'_>, list: &List) -> Fallible<Window> {
    let limit = list.limit.clamp(1, limits::WINDOW);
    let mut entries = entries(tx, list, rows(limit + 1)).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().map(|(cursor, _)| Cursor(cursor.clone()));
    let numbers: Vec<i64> = entries.iter().map(|(_, n)| *n).collect();
    let mut found = records_by_number(tx, &numbers).await?;
    let mut records = Vec::with_capacity(entries.len());
    for n in numbers {
        match found.remove(&n) {
            Some(Ok(record)) => records.push(record),
            // One that cannot be read must not hide the others from those who look for it.
            Some(Err(error)) => {
                tracing::error!(message = n, %error, "a damaged record is left out of a list");
            }
            // It has gone on since.
            None => {}
        }
    }
    Ok(Window {
        records,
        scanned: entries.len(),
        next: last.filter(|_| more),
    })
}

/// The next entries of a section.
async fn entries(tx: &Tx<'_>, list: &List, limit: i64) -> Fallible<Vec<Entry>> {
    let after = list.after.as_ref();
    match list.section {
        Section::All => {
            let [n] = position(after, [LAST])?;
            let rows = tx.query(statement!("list_all"), &[&n, &limit]).await?;
            read(&rows, &["n"])
        }
        Section::Ready => {
            let [l, priority, due, n] = position(after, [FIRST; 4])?;
            // Lines are numbered in 32 bits; a number beyond them is a made-up one.
            let l = i32::try_from(l).unwrap_or(if l < 0 { i32::MIN } else { i32::MAX });
            let sql = statement!("list_ready");
            let rows = tx.query(sql, &[&l, &priority, &due, &n, &limit]).await?;
            read(&rows, &["line", "priority", "due", "n"])
        }
        Section::Scheduled => {
            let [due, n] = position(after, [FIRST; 2])?;
            let rows = tx
                .query(statement!("list_scheduled"), &[&due, &n, &limit])
                .await?;
            read(&rows, &["due", "n"])
        }
        Section::Running => {
            let [high, low] = position(after, [0; 2])?;
            let after = Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned());
            let rows = tx
                .query(statement!("list_running"), &[&after, &limit])
                .await?;
            rows.iter().map(running).collect()
        }
        Section::Succeeded | Section::Dead => {
            let [kept, n] = position(after, [LAST; 2])?;
            let dead = list.section == Section::Dead;
            let sql = statement!("list_finished");
            let rows = tx.query(sql, &[&dead, &kept, &n, &limit]).await?;
            read(&rows, &["kept", "n"])
        }
    }
}

/// An id is 16 bytes, which a cursor carries as two numbers.
fn running(row: &Row) -> Fallible<Entry> {
    let columns = Columns(row);
    let (high, low) = columns.get::<Uuid>("id")?.as_u64_pair();
    Ok((
        vec![high.cast_signed(), low.cast_signed()],
        columns.long("n")?,
    ))
}

fn read(rows: &[Row], names: &[&str]) -> Fallible<Vec<Entry>> {
    rows.iter()
        .map(|row| {
            let columns = Columns(row);
            let cursor = names
                .iter()
                .map(|name| columns.long(name))
                .collect::<Fallible<_>>()?;
            Ok((cursor, columns.long("n")?))
        })
        .collect()
}

/// The numbers of a cursor, as many as the section writes; `first` where there is none.
fn position<const N: usize>(after: Option<&Cursor>, first: [i64; N]) -> Result<[i64; N]> {
    let Some(Cursor(numbers)) = after else {
        return Ok(first);
    };
    numbers.as_slice().try_into().map_err(|_| {
        let found = numbers.len();
        Error::invalid(format!(
            "the cursor has {found} numbers where this section writes {N}; it is of another list"
        ))
    })
}
