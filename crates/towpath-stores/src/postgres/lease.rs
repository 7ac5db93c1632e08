//! Join and leave: the beginning and the end of a worker's life.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Topic, WorkerCard};
use towpath_core::{Error, IncarnationId, Kind, MessageId, State, Verb, limits};
use uuid::Uuid;

use super::attempts::AttemptEnd;
use super::columns::{Columns, millis, plain, rows};
use super::error::Fallible;
use super::moves::Place;
use super::tx::Tx;

/// How many workers that are gone are remembered, for the sake of their names.
const GONE_MAX: i64 = 1_000;

pub(super) async fn join(tx: &Tx<'_>, card: &WorkerCard, lease: Duration) -> Fallible<()> {
    let incarnation = card.incarnation;
    let tasks = serde_json::to_string(&card.tasks).map_err(|error| {
        Error::invalid(format!(
            "the names of the worker's tasks cannot be written: {error}"
        ))
    })?;
    let row = tx
        .query_one(
            "SELECT join_worker($1, $2, $3, $4, $5, $6, $7, $8) AS fresh",
            &[
                &tx.now(),
                &tx.uptime(),
                &Uuid::from_bytes(*incarnation.as_bytes()),
                &plain(&card.name),
                &plain(&card.listens),
                &tasks,
                &millis(lease.min(limits::LONGEST)),
                &GONE_MAX,
            ],
        )
        .await?;
    if Columns(&row).flag("fresh")? {
        return Ok(());
    }
    let text = format!("worker {incarnation} has joined before; a new life needs a new id");
    Err(Error::new(Kind::AlreadyExists, text).into())
}

/// Ends a worker's life; what it holds goes back to its lines, in steps of one transaction.
pub(super) async fn leave(tx: &Tx<'_>, incarnation: IncarnationId) -> Fallible<()> {
    let now = tx.begin().await?;
    let who = Uuid::from_bytes(*incarnation.as_bytes());
    loop {
        let sql = "SELECT * FROM find_leaver($1, $2)";
        let found = tx.query_one(sql, &[&who, &rows(limits::BATCH)]).await?;
        let columns = Columns(&found);
        let Some(w) = columns.maybe_int("w")? else {
            return tx.commit().await;
        };
        let ids: Vec<MessageId> = columns
            .get::<Vec<Uuid>>("ids")?
            .into_iter()
            .map(Into::into)
            .collect();
        if ids.is_empty() {
            tx.query("SELECT end_leases($1)", &[&vec![w]]).await?;
            tx.ring(Topic::Change);
            return tx.commit().await;
        }
        let mut held = tx.hold_more(now, None, &ids, false).await?;
        for id in ids {
            let row = held.find(id)?;
            if row.state != State::Running {
                continue;
            }
            let end = AttemptEnd {
                outcome: AttemptOutcome::Released,
                started: row.started,
                error: None,
            };
            held.remember(&row, &end)?;
            held.shift(row, Verb::Release, Place::Ready);
        }
        held.write().await?;
    }
}
