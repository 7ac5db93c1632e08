//! Rescue: takes messages from workers that are dead.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::Rescued;
use towpath_core::{Backoff, Error, FailReason, Kind, MessageId, Result, State, Verb, limits};
use uuid::Uuid;

use super::attempts::AttemptEnd;
use super::columns::{Columns, rows};
use super::damage::Damaged;
use super::error::Fallible;
use super::moves::{Held, Place};
use super::tx::Tx;

pub(super) async fn rescue(tx: &Tx<'_>, max: usize) -> Fallible<Rescued> {
    let mut rescued = Rescued::default();
    let now = tx.begin().await?;
    // The deaths of all come first, so that none of them can settle what is taken from the others.
    let sql = "SELECT * FROM find_dead($1, $2)";
    let found = tx.query_one(sql, &[&tx.uptime(), &rows(max)]).await?;
    let columns = Columns(&found);
    rescued.workers = columns.size("workers")?;
    let dead: Vec<i32> = columns.get("dead")?;
    let ids: Vec<MessageId> = columns
        .get::<Vec<Uuid>>("ids")?
        .into_iter()
        .map(Into::into)
        .collect();
    if dead.is_empty() {
        tx.commit().await?;
        return Ok(rescued);
    }
    if !ids.is_empty() {
        let mut held = tx.hold_more(now, None, &ids, false).await?;
        let mut damaged = Damaged::default();
        for id in ids {
            if let Err(error) = rescue_one(&mut held, id, &mut rescued)? {
                damaged.add(id, &error)?;
            }
        }
        held.write().await?;
        rescued.given_up += damaged.bury(tx).await?;
    }
    tx.query("SELECT end_leases($1)", &[&dead]).await?;
    tx.commit().await?;
    Ok(rescued)
}

/// Takes one message from its dead worker; or says why it cannot be.
fn rescue_one(
    held: &mut Held<'_, '_>,
    id: MessageId,
    rescued: &mut Rescued,
) -> Fallible<Result<()>> {
    let row = match held.find(id) {
        Ok(row) if row.state == State::Running => row,
        Ok(row) => {
            let text = format!("message {id} has ended and is held all the same");
            let state = row.state;
            return Ok(Err(Error::new(
                Kind::Storage,
                format!("{text}: it is {state}"),
            )));
        }
        Err(error) => return Ok(Err(error)),
    };
    // One that may not have started is remembered too: its being lost is the only trace there is of a
    // message that ends its workers faster than they can tell.
    let end = AttemptEnd {
        outcome: AttemptOutcome::Lost,
        started: row.started,
        error: None,
    };
    held.remember(&row, &end)?;
    let losses = row.counters.after(Verb::RescueStarted).losses;
    if row.started.is_none() {
        held.shift(row, Verb::Rescue, Place::Ready);
    } else if losses > limits::LOSSES {
        held.shift(row, Verb::GiveUp, Place::Failed(FailReason::Lost));
        rescued.given_up += 1;
        return Ok(Ok(()));
    } else {
        held.shift_to_wait(row, Verb::RescueStarted, wait_after(losses));
    }
    rescued.returned += 1;
    Ok(Ok(()))
}

/// The first loss is most likely none of the message's doing; from the second on it waits.
fn wait_after(losses: u32) -> Duration {
    if losses < 2 {
        return Duration::ZERO;
    }
    Backoff::default().get(losses)
}
