//! The driver: one thread with a runtime of its own, on which all verbs of a handle run.
//!
//! So a verb that has begun runs to its end when nobody waits for it any more, a user's runtime may block
//! or be of another make, and all connections live on one thread. Every verb has a bound in time; one that
//! lost a race against another is done again, a few times.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinSet, LocalSet};
use towpath_core::store::{QueueRecord, StateCounts};
use towpath_core::{Error, Kind, Result};

use super::connection::timed_out;
use super::counts::Kept;
use super::error::{Fallible, Fault};
use super::lines::Lines;
use super::pool::Pool;
use super::prune::Searched;
use super::store::Shared;
use super::sweep::{Swept, sweep};
use super::tx::Tx;
use super::watch::{Outgoing, tell_others};

/// How often a verb is done again that was undone for the sake of another.
const TRIES: u32 = 8;
/// Longest time to undo what a verb has begun. The server undoes it anyway once the connection is gone.
const UNDO: Duration = Duration::from_secs(2);
/// How many verbs may wait to be begun.
const WAITING_MAX: usize = 1_024;

pub(super) type Future = Pin<Box<dyn std::future::Future<Output = ()>>>;
/// A verb, and where its answer goes. The future it makes stays on the driver's thread.
pub(super) type Job = Box<dyn FnOnce(Rc<Shop>) -> Future + Send>;

/// What a driver may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    /// Longest wait for a connection, and longest time of one try of a verb on it.
    pub(super) patience: Duration,
}

/// What the verbs on one driver share.
pub(super) struct Shop {
    pub(super) shared: Arc<Shared>,
    pub(super) pool: Pool,
    pub(super) lines: Lines,
    pub(super) outgoing: Outgoing,
    pub(super) counts: Kept<StateCounts>,
    pub(super) queues: Kept<Vec<QueueRecord>>,
    pub(super) searched: Searched,
    pub(super) swept: Swept,
    begun: Instant,
    patience: Duration,
}

/// The thread, as whoever brings verbs sees it.
#[derive(Debug)]
pub(super) struct Driver {
    jobs: mpsc::Sender<Job>,
    ended: watch::Receiver<()>,
}

impl Driver {
    /// Starts the thread.
    pub(super) fn start(shared: &Arc<Shared>, name: &str, bounds: Bounds) -> Result<Self> {
        let (jobs, brought) = mpsc::channel(WAITING_MAX);
        let (alive, ended) = watch::channel(());
        let shared = shared.clone();
        let url = shared.place.url.clone();
        let cannot = |error: std::io::Error| {
            let text = format!("{url}: the thread {name} cannot be started");
            Error::new(Kind::Unavailable, text).with_source(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        let work = move || {
            let _dropped_at_the_end = alive;
            let shop = Shop {
                pool: Pool::new(shared.place.clone(), bounds.connections),
                lines: Lines::default(),
                outgoing: Outgoing::default(),
                counts: Kept::default(),
                queues: Kept::default(),
                searched: Searched::default(),
                swept: Swept::default(),
                begun: Instant::now(),
                patience: bounds.patience,
                shared,
            };
            LocalSet::new().block_on(&runtime, serve(Rc::new(shop), brought));
        };
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(work).map_err(cannot)?;
        Ok(Self { jobs, ended })
    }

    /// Has a verb done; `None` when the driver has ended, or ends before the verb has.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        verb: impl AsyncFn(&Tx<'_>) -> Fallible<T> + Send + 'static,
    ) -> Option<Result<T>> {
        let (reply, answer) = oneshot::channel();
        let job = job(verb, move |done| {
            let _caller_gone = reply.send(done);
        });
        self.jobs.send(job).await.ok()?;
        answer.await.ok()
    }

    /// As [`run`](Driver::run), blocking this thread, whatever runtime it may belong to.
    pub(super) fn run_blocking<T: Send + 'static>(
        &self,
        verb: impl AsyncFn(&Tx<'_>) -> Fallible<T> + Send + 'static,
    ) -> Option<Result<T>> {
        let (reply, answer) = std::sync::mpsc::sync_channel(1);
        let job = job(verb, move |done| {
            let _caller_gone = reply.send(done);
        });
        self.jobs.try_send(job).ok()?;
        answer.recv().ok()
    }

    /// Waits until something may be brought whose answers go ways of their own; `None` when the driver has ended.
    pub(super) async fn reserve(&self) -> Option<mpsc::Permit<'_, Job>> {
        self.jobs.reserve().await.ok()
    }

    /// Has something done beside the verbs, for as long as the store is open.
    pub(super) fn attach(&self, job: impl FnOnce(Rc<Shop>) -> Future + Send + 'static) -> bool {
        self.jobs.try_send(Box::new(job)).is_ok()
    }

    /// Waits until the driver has done what was brought, after the store was closed.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever sent: the thread drops its end.
        while ended.changed().await.is_ok() {}
    }
}

fn job<T: Send + 'static>(
    verb: impl AsyncFn(&Tx<'_>) -> Fallible<T> + Send + 'static,
    reply: impl FnOnce(Result<T>) + Send + 'static,
) -> Job {
    Box::new(move |shop| Box::pin(async move { reply(shop.attend(verb).await) }))
}

/// Does what is brought, many verbs at once, until the store is closed, or nobody can bring any more, and all
/// is done.
async fn serve(shop: Rc<Shop>, mut brought: mpsc::Receiver<Job>) {
    let sweeping = tokio::task::spawn_local(sweep(shop.clone()));
    let telling = tokio::task::spawn_local(tell_others(shop.clone()));
    let mut at_work = JoinSet::new();
    let mut closed = shop.shared.closed();
    let mut open = true;
    loop {
        tokio::select! {
            _ = closed.wait_for(|closed| *closed), if open => {
                open = false;
                // What was brought is still done.
                brought.close();
            }
            job = brought.recv() => match job {
                Some(job) => {
                    at_work.spawn_local(job(shop.clone()));
                }
                None => break,
            },
            Some(_) = at_work.join_next() => {}
        }
    }
    while at_work.join_next().await.is_some() {}
    sweeping.abort();
    shop.outgoing.end();
    let _told_or_not = telling.await;
}

impl Shop {
    /// A clock for what is kept a while: that of a test, where one was handed in.
    pub(super) fn uptime(&self) -> Duration {
        let clock = self.shared.clock.as_deref();
        clock.map_or_else(|| self.begun.elapsed(), towpath_core::Clock::uptime)
    }

    /// Does a verb, again if it has to be.
    pub(super) async fn attend<T>(&self, verb: impl AsyncFn(&Tx<'_>) -> Fallible<T>) -> Result<T> {
        let url = &self.shared.place.url;
        let mut tries = 0;
        loop {
            tries += 1;
            let taken = tokio::time::timeout(self.patience, self.pool.take()).await;
            let borrowed = taken.map_err(|_| timed_out(url))??;
            let tx = Tx::new(self, &borrowed.link);
            let done = tokio::time::timeout(self.patience, verb(&tx)).await;
            // A connection that did not answer, or was left in the middle of something, is not used again.
            match done {
                Err(_) => return Err(timed_out(url)),
                Ok(Ok(answer)) => {
                    let rings = tx.rings();
                    if !tx.is_open() {
                        self.pool.put_back(borrowed);
                    }
                    self.ring(rings);
                    return Ok(answer);
                }
                Ok(Err(fault)) => {
                    if matches!(fault, Fault::Engine(_)) {
                        // Another server may answer next, or one that was restored from a backup.
                        self.lines.forget();
                    }
                    let undone = tokio::time::timeout(UNDO, tx.roll_back()).await;
                    if matches!(undone, Ok(Ok(()))) {
                        self.pool.put_back(borrowed);
                    }
                    if !fault.lost_a_race() || tries == TRIES {
                        return Err(fault.into_error(url));
                    }
                    let longest = Duration::from_millis(5 * u64::from(tries));
                    tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
                }
            }
        }
    }
}
