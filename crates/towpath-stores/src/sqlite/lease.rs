//! Join and leave: the beginning and the end of a worker's life.

use std::time::Duration;

use rusqlite::params;
use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Topic, WorkerCard};
use towpath_core::{Error, IncarnationId, Kind, State, Verb};

use super::attempts::AttemptEnd;
use super::columns::millis;
use super::error::{Fallible, Fault};
use super::moves::Place;
use super::row::Row;
use super::statement::statement;
use super::tx::Tx;

/// How many workers that are gone are remembered, for the sake of their names.
const GONE_MAX: i64 = 1_000;

pub(super) fn join(tx: &mut Tx<'_>, card: &WorkerCard, lease: Duration) -> Fallible<()> {
    let incarnation = card.incarnation;
    let known = "SELECT 1 FROM worker WHERE id = ?1";
    if tx
        .db
        .prepare_cached(known)?
        .exists([incarnation.as_bytes()])?
    {
        let text = format!("worker {incarnation} has joined before; a new life needs a new id");
        return Err(Error::new(Kind::AlreadyExists, text).into());
    }
    // The lock comes first: a lease without one would wait for its end instead of being seen at once.
    tx.locks.hold(incarnation)?;
    let_go_of_lost_lives(tx, incarnation)?;
    let sql =
        "INSERT INTO worker (id, ns, name, listens, joined, tasks) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.db.prepare_cached(sql)?.execute(params![
        incarnation.as_bytes(),
        tx.ns,
        card.name,
        card.listens,
        tx.now.as_millis(),
        serde_json::to_string(&card.tasks).expect("names are JSON"),
    ])?;
    let w = tx.db.last_insert_rowid();
    let ends = millis(tx.uptime().saturating_add(lease));
    let sql = "INSERT OR REPLACE INTO lease (w, boot, ends) VALUES (?1, ?2, ?3)";
    tx.db
        .prepare_cached(sql)?
        .execute(params![w, &*tx.clock.boot(), ends])?;
    tx.db
        .prepare_cached(statement!("forget_workers"))?
        .execute([GONE_MAX])?;
    Ok(())
}

/// Lets go of the locks of lives that were lost meanwhile: whoever rescued them could not take those from
/// this process, which lives.
fn let_go_of_lost_lives(tx: &mut Tx<'_>, joining: IncarnationId) -> Fallible<()> {
    for held in tx.locks.held_here() {
        if held != joining && tx.alive(held)?.is_none() {
            tx.gone.push(held);
        }
    }
    Ok(())
}

/// Ends a worker's life; what it holds goes back to its lines.
pub(super) fn leave(tx: &mut Tx<'_>, incarnation: IncarnationId) -> Fallible<()> {
    let Some(worker) = tx.alive(incarnation)? else {
        return Ok(());
    };
    for n in held_by(tx, worker, i64::MAX)? {
        match Row::by_n(tx.db, n) {
            Ok(Some(row)) if row.state == State::Running => {
                let end = AttemptEnd {
                    outcome: AttemptOutcome::Released,
                    started: row.started,
                    error: None,
                };
                tx.remember(&row, end)?;
                tx.shift(row, Verb::Release, Place::Ready)?;
            }
            Ok(_) => let_go(tx, n)?,
            Err(Fault::Refused(error)) => tx.bury(n, &error)?,
            Err(engine) => return Err(engine),
        }
    }
    end_lease(tx, worker, Some(incarnation))?;
    tx.rings.add(Topic::Change);
    Ok(())
}

/// At most `max` messages that a worker holds, in the order of submits. This reads what everybody holds:
/// some thousands of narrow rows, once in the life of a worker.
pub(super) fn held_by(tx: &Tx<'_>, worker: i64, max: i64) -> Fallible<Vec<i64>> {
    let sql = "SELECT n FROM inflight WHERE worker = ?1 ORDER BY n LIMIT ?2";
    let mut statement = tx.db.prepare_cached(sql)?;
    let rows = statement.query_map((worker, max), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes a message that does not run from whoever is said to hold it.
pub(super) fn let_go(tx: &Tx<'_>, n: i64) -> Fallible<()> {
    let sql = "DELETE FROM inflight WHERE n = ?1";
    tx.db.prepare_cached(sql)?.execute([n])?;
    Ok(())
}

/// Ends the lease of a worker that holds nothing any more. The lock file of one whose id is not known is
/// swept away later.
pub(super) fn end_lease(
    tx: &mut Tx<'_>,
    worker: i64,
    incarnation: Option<IncarnationId>,
) -> Fallible<()> {
    let sql = "DELETE FROM lease WHERE w = ?1";
    tx.db.prepare_cached(sql)?.execute([worker])?;
    tx.forget_alive();
    tx.gone.extend(incarnation);
    Ok(())
}
