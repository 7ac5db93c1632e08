//! Rescue: takes messages from workers that are dead.
//!
//! Who may be dead is found by looking, without the writer: mostly nobody is, and then nothing is
//! written. The writer then looks again before it acts: a lease may have been renewed since.
//!
//! A damaged row keeps nobody else from being rescued, nor the messages of its own worker: a lease that
//! cannot be read is over, and a worker whose id cannot be read is judged by its lease alone.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::Rescued;
use towpath_core::{Backoff, FailReason, IncarnationId, State, Verb, limits};

use super::attempts::AttemptEnd;
use super::columns::{Columns, millis};
use super::error::{Fallible, Fault};
use super::flocks::Proof;
use super::lease::{end_lease, held_by, let_go};
use super::moves::Place;
use super::reader::Look;
use super::row::Row;
use super::tx::Tx;

/// A worker that looks dead.
#[derive(Debug)]
pub(super) struct Suspect {
    worker: i64,
    /// Unknown when its row is damaged or gone; then nobody can renew its lease.
    incarnation: Option<IncarnationId>,
    proof: Option<Proof>,
}

/// The workers that look dead, of every namespace: whoever looks first helps.
pub(super) fn suspects(look: &mut Look<'_>) -> Fallible<Vec<Suspect>> {
    let sql = "SELECT lease.boot, lease.ends, lease.dead, lease.w, worker.id \
               FROM lease LEFT JOIN worker ON worker.w = lease.w";
    let mut statement = look.db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut suspects = Vec::new();
    let (boot, uptime) = (look.clock.boot(), millis(look.clock.uptime()));
    while let Some(row) = rows.next()? {
        let columns = Columns(row);
        let worker = columns.int(3, "lease.w")?;
        let incarnation = match columns.incarnation(4, "worker.id") {
            Ok(incarnation) => Some(incarnation),
            Err(Fault::Refused(error)) => {
                tracing::error!(worker, %error, "a damaged worker is rescued when its lease is over");
                None
            }
            Err(engine) => return Err(engine),
        };
        let holds = matches!(lease(&columns, worker, &boot, uptime)?, Lease::Holds);
        let proof = incarnation
            .filter(|_| holds)
            .and_then(|incarnation| look.locks.prove_dead(incarnation));
        if !holds || proof.is_some() {
            suspects.push(Suspect {
                worker,
                incarnation,
                proof,
            });
        }
    }
    Ok(suspects)
}

/// What is true of a lease.
enum Lease {
    Holds,
    Over,
    FoundDead,
}

/// Reads `boot`, `ends` and `dead`, the first three columns. What cannot be read counts as over: a worker
/// that lives is told at its next verb, and of one that does not, nobody could ever say when it is.
fn lease(columns: &Columns<'_>, w: i64, boot: &str, uptime: i64) -> Fallible<Lease> {
    let read = || {
        if columns.int(2, "lease.dead")? != 0 {
            return Ok(Lease::FoundDead);
        }
        let over =
            columns.text(0, "lease.boot")? != boot || columns.int(1, "lease.ends")? <= uptime;
        Ok(if over { Lease::Over } else { Lease::Holds })
    };
    match read() {
        Err(Fault::Refused(error)) => {
            tracing::error!(worker = w, %error, "a damaged lease is over");
            Ok(Lease::Over)
        }
        read => read,
    }
}

pub(super) fn rescue(tx: &mut Tx<'_>, suspects: &[Suspect], max: usize) -> Fallible<Rescued> {
    let mut rescued = Rescued::default();
    // The deaths of all come first, so that none of them can settle what is taken from the others.
    let mut dead = Vec::new();
    for suspect in suspects {
        match fate(tx, suspect)? {
            Fate::Lives => {}
            Fate::WasFoundDead => dead.push(suspect),
            Fate::Dies if rescued.workers == max => {}
            Fate::Dies => {
                let sql = "UPDATE lease SET dead = 1 WHERE w = ?1";
                tx.db.prepare_cached(sql)?.execute([suspect.worker])?;
                tx.forget_alive();
                rescued.workers += 1;
                dead.push(suspect);
            }
        }
    }
    for suspect in dead {
        let left = max - (rescued.returned + rescued.given_up);
        let held = held_by(tx, suspect.worker, i64::try_from(left).unwrap_or(i64::MAX))?;
        let all = held.len() < left;
        for n in held {
            rescue_one(tx, n, &mut rescued)?;
        }
        if all {
            end_lease(tx, suspect.worker, suspect.incarnation)?;
        }
    }
    Ok(rescued)
}

enum Fate {
    Lives,
    Dies,
    WasFoundDead,
}

/// What is true of a suspect now that nobody else can write.
fn fate(tx: &Tx<'_>, suspect: &Suspect) -> Fallible<Fate> {
    let sql = "SELECT boot, ends, dead FROM lease WHERE w = ?1";
    let mut statement = tx.db.prepare_cached(sql)?;
    let mut rows = statement.query([suspect.worker])?;
    let Some(row) = rows.next()? else {
        return Ok(Fate::Lives);
    };
    let (boot, uptime) = (tx.clock.boot(), millis(tx.uptime()));
    let lease = lease(&Columns(row), suspect.worker, &boot, uptime)?;
    Ok(match lease {
        Lease::FoundDead => Fate::WasFoundDead,
        Lease::Holds if suspect.proof.is_none() => Fate::Lives,
        Lease::Holds | Lease::Over => Fate::Dies,
    })
}

fn rescue_one(tx: &mut Tx<'_>, n: i64, rescued: &mut Rescued) -> Fallible<()> {
    let row = match Row::by_n(tx.db, n) {
        Ok(Some(row)) if row.state == State::Running => row,
        Ok(_) => return let_go(tx, n),
        Err(Fault::Refused(error)) => {
            rescued.given_up += 1;
            return tx.bury(n, &error);
        }
        Err(engine) => return Err(engine),
    };
    // One that may not have started is remembered too: its being lost is the only trace there is of a
    // message that ends its workers faster than they can tell.
    let end = AttemptEnd {
        outcome: AttemptOutcome::Lost,
        started: row.started,
        error: None,
    };
    tx.remember(&row, end)?;
    let losses = row.counters.after(Verb::RescueStarted).losses;
    if row.started.is_none() {
        tx.shift(row, Verb::Rescue, Place::Ready)?;
    } else if losses > limits::LOSSES {
        tx.shift(row, Verb::GiveUp, Place::Failed(FailReason::Lost))?;
        rescued.given_up += 1;
        return Ok(());
    } else {
        tx.shift_to_wait(row, Verb::RescueStarted, wait_after(losses))?;
    }
    rescued.returned += 1;
    Ok(())
}

/// The first loss is most likely none of the message's doing; from the second on it waits.
fn wait_after(losses: u32) -> Duration {
    if losses < 2 {
        return Duration::ZERO;
    }
    Backoff::default().get(losses)
}
