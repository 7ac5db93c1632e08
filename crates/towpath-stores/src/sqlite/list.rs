//! List: windows of the sections, each in the order that its structure has anyway.

use std::cmp::Ordering;

use rusqlite::Params;
use towpath_core::store::{Cursor, List, Section, Window};
use towpath_core::{Error, Result, limits};

use super::error::{Fallible, Fault};
use super::get::record;
use super::order;
use super::reader::Look;
use super::statement::statement;

/// The numbers of a cursor, and the message they lead to.
type Entry = (Vec<i64>, i64);

pub(super) fn list(look: &mut Look<'_>, list: &List) -> Fallible<Window> {
    let limit = list.limit.clamp(1, limits::WINDOW);
    let mut entries = entries(look, list, limit + 1)?;
    let (table, way) = walk(list.section);
    let after = list.after.as_ref().map(|Cursor(numbers)| numbers);
    order::check(table, way, after, entries.iter().map(|(cursor, _)| cursor))?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().map(|(cursor, _)| Cursor(cursor.clone()));
    let mut window = Window {
        records: Vec::with_capacity(entries.len()),
        scanned: entries.len(),
        next: last.filter(|_| more),
    };
    for (_, n) in entries {
        match record(look, n) {
            Ok(record) => window.records.extend(record),
            // One that cannot be read must not hide the others from those who look for it.
            Err(Fault::Refused(error)) => {
                tracing::error!(message = n, %error, "a damaged record is left out of a list");
            }
            Err(engine) => return Err(engine),
        }
    }
    Ok(window)
}

/// The table that a section is read from, and the way through it.
fn walk(section: Section) -> (&'static str, Ordering) {
    match section {
        Section::All => ("message", Ordering::Less),
        Section::Ready => ("ready", Ordering::Greater),
        Section::Scheduled => ("delayed", Ordering::Greater),
        Section::Running => ("inflight", Ordering::Greater),
        Section::Succeeded | Section::Dead => ("finished", Ordering::Less),
    }
}

/// The next entries of a section. Those of other namespaces are among them where the section is shared
/// by all; they have no record then.
fn entries(look: &Look<'_>, list: &List, limit: usize) -> Fallible<Vec<Entry>> {
    const FIRST: i64 = i64::MIN;
    const LAST: i64 = i64::MAX;
    let after = list.after.as_ref();
    let limit = i64::try_from(limit).expect("at most a window and one");
    match list.section {
        Section::All => {
            let [n] = position(after, [LAST])?;
            let sql = "SELECT n, n FROM message WHERE n < ?1 ORDER BY n DESC LIMIT ?2";
            read(look, sql, (n, limit), 1)
        }
        Section::Ready => {
            let [l, priority, due, n] = position(after, [FIRST; 4])?;
            let sql = statement!("list_ready");
            read(look, sql, (look.ns, l, priority, due, n, limit), 4)
        }
        Section::Scheduled => {
            let [due, n] = position(after, [FIRST; 2])?;
            let sql = "SELECT due, n, n FROM delayed WHERE (due, n) > (?1, ?2) \
                       ORDER BY due, n LIMIT ?3";
            read(look, sql, (due, n, limit), 2)
        }
        Section::Running => {
            let [n] = position(after, [FIRST])?;
            let sql = "SELECT n, n FROM inflight WHERE n > ?1 ORDER BY n LIMIT ?2";
            read(look, sql, (n, limit), 1)
        }
        Section::Succeeded | Section::Dead => {
            let [kept, n] = position(after, [LAST; 2])?;
            let dead = i64::from(list.section == Section::Dead);
            let sql = "SELECT kept, n, n FROM finished \
                       WHERE ns = ?1 AND dead = ?2 AND (kept, n) < (?3, ?4) \
                       ORDER BY kept DESC, n DESC LIMIT ?5";
            read(look, sql, (look.ns, dead, kept, n, limit), 2)
        }
    }
}

fn read(look: &Look<'_>, sql: &str, params: impl Params, width: usize) -> Fallible<Vec<Entry>> {
    let mut statement = look.db.prepare_cached(sql)?;
    let entries = statement.query_map(params, |row| {
        let cursor = (0..width)
            .map(|at| row.get(at))
            .collect::<rusqlite::Result<_>>()?;
        Ok((cursor, row.get(width)?))
    })?;
    Ok(entries.collect::<rusqlite::Result<_>>()?)
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
