//! A worker that runs, and how to end it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::{Error, IncarnationId, Kind, Result, limits};

use super::heartbeat::Heartbeat;
use super::pool::Pool;
use super::probe::Probe;
use super::shutdown::{Phase, Phases};
use super::tenancy::Tenancy;
use crate::cancel::CancelReason;

/// A worker that runs. End it with [`stop`](Worker::stop), or let
/// [`run_until_signal`](Worker::run_until_signal) do so.
///
/// Dropping it without stopping ends it too, without waiting: what it holds is rescued by others.
#[must_use = "a worker that is dropped stops"]
pub struct Worker {
    tenancy: Arc<Tenancy>,
    /// `None` only while [`stop`](Worker::stop) waits for it.
    heartbeat: Option<Heartbeat>,
    phases: Phases,
    exchanges: JoinSet<()>,
    upkeep: JoinSet<()>,
    pools: Vec<Arc<Pool>>,
    probes: Vec<Arc<Probe>>,
    grace: Duration,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopReport {
    /// Attempts that were still running after the grace time and were called off.
    pub called_off: usize,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("incarnation", &self.incarnation())
            .finish_non_exhaustive()
    }
}

impl Worker {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a worker, put together in one place"
    )]
    pub(super) fn new(
        tenancy: Arc<Tenancy>,
        heartbeat: Heartbeat,
        phases: Phases,
        exchanges: JoinSet<()>,
        upkeep: JoinSet<()>,
        pools: Vec<Arc<Pool>>,
        probes: Vec<Arc<Probe>>,
        grace: Duration,
    ) -> Self {
        Self {
            tenancy,
            heartbeat: Some(heartbeat),
            phases,
            exchanges,
            upkeep,
            pools,
            probes,
            grace,
        }
    }

    /// The present incarnation; another one after a lease was lost.
    pub fn incarnation(&self) -> IncarnationId {
        self.tenancy.current().id
    }

    /// Whether it can run anything: its lease is good, and not all of its threads were left behind
    /// with bodies that ignore their timeout.
    pub fn is_healthy(&self) -> bool {
        self.tenancy.current().may_start() && self.pools.iter().all(|pool| pool.capacity() > 0)
    }

    /// How many messages it holds at this moment, running and waiting for a slot.
    pub fn in_hand(&self) -> usize {
        self.pools.iter().map(|pool| pool.in_hand()).sum()
    }

    /// Waits until nothing of what it listens to is ready and nothing is running. Scheduled messages
    /// are not waited for.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn drained(&self) {
        loop {
            let before = self.taken_in();
            self.take_from_the_dead().await;
            for probe in &self.probes {
                probe.ask().await;
            }
            // What one pool ran may have filled another: nothing may have come in all the while.
            if self.taken_in() == before {
                return;
            }
        }
    }

    /// What a dead worker held, or what has just become due, is not forgotten by a drain.
    async fn take_from_the_dead(&self) {
        let shared = self.tenancy.shared();
        let rescued = shared.store.rescue(limits::UPKEEP_ROWS).await.err();
        let promoted = shared.store.promote(limits::UPKEEP_ROWS).await.err();
        for error in rescued.into_iter().chain(promoted) {
            shared.report(&error.about("looking for what is left to run"));
        }
    }

    fn taken_in(&self) -> u64 {
        self.pools.iter().map(|pool| pool.taken_in()).sum()
    }

    /// Ends the worker: claims no more, gives back what it has not started, waits for what runs up to
    /// the grace time, then gives that back too.
    ///
    /// # Errors
    ///
    /// What the store says to the farewell; the worker has ended all the same, and what the store
    /// still counts as held is rescued by others.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the worker without waiting.
    pub async fn stop(mut self) -> Result<StopReport> {
        self.phases.advance(Phase::Stopping);
        let mut report = StopReport::default();
        let ended = tokio::select! {
            () = join_all(&mut self.exchanges) => true,
            () = tokio::time::sleep(self.grace) => false,
            () = self.phases.reached(Phase::Ending) => false,
        };
        if !ended {
            report.called_off = self.call_off();
            // What was called off is settled in one step; a store that is away is not waited for long.
            let _ =
                tokio::time::timeout(Duration::from_secs(10), join_all(&mut self.exchanges)).await;
        }
        self.exchanges.abort_all();
        self.upkeep.shutdown().await;
        let farewell = self.tenancy.leave().await;
        if let Some(mut heartbeat) = self.heartbeat.take() {
            let stopped = tokio::task::spawn_blocking(move || heartbeat.stop()).await;
            stopped.map_err(|e| {
                Error::new(Kind::Stopped, format!("the heartbeat did not end: {e}"))
            })?;
        }
        farewell.map(|()| report)
    }

    fn call_off(&self) -> usize {
        self.phases.advance(Phase::Ending);
        let tenure = self.tenancy.current();
        tenure.cancel_all(CancelReason::Stopping);
        tenure.tokens().len()
    }

    /// Ends the worker at once: what runs is called off and given back.
    ///
    /// # Errors
    ///
    /// As [`stop`](Worker::stop).
    pub async fn stop_now(self) -> Result<StopReport> {
        self.phases.advance(Phase::Ending);
        self.stop().await
    }

    /// Runs until the process is told to end (SIGTERM or Ctrl-C), then stops; a second signal ends
    /// at once.
    ///
    /// # Errors
    ///
    /// As [`stop`](Worker::stop), and when the signal handlers cannot be installed.
    pub async fn run_until_signal(self) -> Result<StopReport> {
        let mut signals = Signals::listen()?;
        signals.next().await;
        tracing::info!(
            "stopping: what runs may go on for {:?}; a second signal ends at once",
            self.grace
        );
        let phases = self.phases.clone();
        let stop = self.stop();
        tokio::pin!(stop);
        tokio::select! {
            report = &mut stop => return report,
            () = signals.next() => phases.advance(Phase::Ending),
        }
        stop.await
    }

    /// Runs until [`drained`](Worker::drained) or a signal, then stops.
    ///
    /// # Errors
    ///
    /// As [`run_until_signal`](Worker::run_until_signal).
    pub async fn run_until_drained(self) -> Result<StopReport> {
        let mut signals = Signals::listen()?;
        tokio::select! {
            () = self.drained() => {}
            () = signals.next() => {}
        }
        self.stop().await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.phases.advance(Phase::Ending);
        self.tenancy.current().cancel_all(CancelReason::Stopping);
        // Without an exchange to close them their slots would wait for ever.
        self.pools.iter().for_each(|pool| pool.inbox.close());
    }
}

async fn join_all(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!("a part of the worker did not end well: {error}");
        }
    }
}

/// The signals that end a process.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| {
            signal(kind).map_err(|e| {
                Error::new(
                    Kind::Storage,
                    format!("no signal handler could be installed: {e}"),
                )
            })
        };
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
