//! Audit: looks for messages that no structure leads to, and mends them.

use std::cmp::Ordering;

use rusqlite::Connection;
use towpath_core::store::{Audit, Cursor, Finding, Topic};
use towpath_core::{Error, State};

use super::error::{Fallible, Fault};
use super::lease::let_go;
use super::moves::is_dead;
use super::order;
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

pub(super) fn audit(tx: &mut Tx<'_>, after: Option<&Cursor>, max: usize) -> Fallible<Audit> {
    let after = match after.map(|cursor| cursor.0.as_slice()) {
        None => i64::MIN,
        Some([n]) => *n,
        Some(_) => return Err(Error::invalid("the cursor is not of an audit").into()),
    };
    let mut audit = Audit::default();
    let mut numbers = numbers_after(tx.db, after, max)?;
    if after == i64::MIN {
        mend_lines(tx, &mut audit)?;
    }
    let more = numbers.len() > max;
    numbers.truncate(max);
    for n in &numbers {
        let finding = match Row::by_n(tx.db, *n) {
            Ok(Some(row)) if tx.line(row.line)?.is_some() => mend(tx, &row)?,
            Ok(_) => None,
            Err(Fault::Refused(error)) => Some(mend_damaged(tx, *n, &error)?),
            Err(engine) => return Err(engine),
        };
        audit.mended.extend(finding);
    }
    audit.scanned = numbers.len();
    audit.next = numbers.last().filter(|_| more).map(|n| Cursor(vec![*n]));
    Ok(audit)
}

fn numbers_after(db: &Connection, after: i64, max: usize) -> Fallible<Vec<i64>> {
    let sql = "SELECT n FROM message WHERE n > ?1 ORDER BY n LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
    let rows = statement.query_map((after, limit), |row| row.get(0))?;
    let numbers = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    order::check("message", Ordering::Greater, Some(&after), &numbers)?;
    Ok(numbers)
}

/// Marks lines that have messages and do not say so: no claim would look at them.
fn mend_lines(tx: &mut Tx<'_>, audit: &mut Audit) -> Fallible<()> {
    let found = {
        let mut statement = tx.db.prepare_cached(statement!("unmarked_lines"))?;
        let rows =
            statement.query_map([tx.ns], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<rusqlite::Result<Vec<(i64, String, String)>>>()?
    };
    for (l, queue, task) in found {
        tx.line_filled(l)?;
        audit.mended.push(Finding {
            about: format!("the line of task {task:?} in queue {queue:?}"),
            problem: "had ready messages and was marked as empty; it is looked at again".to_owned(),
        });
    }
    Ok(())
}

/// Puts a message that stands nowhere into its line. An ended one goes where its end says.
fn mend(tx: &mut Tx<'_>, row: &Row) -> Fallible<Option<Finding>> {
    if stands(tx.db, tx.ns, row)? {
        return Ok(None);
    }
    let (id, state) = (row.id, row.state);
    let problem = if state.is_terminal() {
        tx.put_among_finished(row)?;
        format!("was {state} and nothing would have pruned it; it is kept until its time now")
    } else {
        let_go(tx, row.n)?;
        let due = tx.stamp()?;
        let row = Row {
            state: State::Ready,
            due,
            ..row.clone()
        };
        tx.write(&row)?;
        tx.put_in(&row)?;
        format!("was {state} and stood nowhere; it stands in its line again")
    };
    tx.rings.add(Topic::Work);
    Ok(Some(Finding {
        about: format!("message {id}"),
        problem,
    }))
}

fn mend_damaged(tx: &mut Tx<'_>, n: i64, error: &Error) -> Fallible<Finding> {
    tx.bury(n, error)?;
    Ok(Finding {
        about: format!("message number {n}"),
        problem: format!("{error}; it is a dead letter now"),
    })
}

/// Whether a message stands where its row says.
pub(super) fn stands(db: &Connection, ns: i64, row: &Row) -> Fallible<bool> {
    let (n, due) = (row.n, row.due.as_millis());
    let found = match row.state {
        State::Scheduled => db
            .prepare_cached("SELECT 1 FROM delayed WHERE due = ?1 AND n = ?2")?
            .exists((due, n))?,
        State::Ready => db
            .prepare_cached(
                "SELECT 1 FROM ready WHERE line = ?1 AND priority = ?2 AND due = ?3 AND n = ?4",
            )?
            .exists((row.line, row.priority, due, n))?,
        State::Running => db.prepare_cached(statement!("is_running"))?.exists([n])?,
        State::Succeeded | State::Failed | State::Revoked => {
            let kept = row.kept.map(towpath_core::Timestamp::as_millis);
            db.prepare_cached(
                "SELECT 1 FROM finished WHERE ns = ?1 AND dead = ?2 AND kept = ?3 AND n = ?4",
            )?
            .exists((ns, is_dead(row.state), kept, n))?
        }
    };
    Ok(found)
}
