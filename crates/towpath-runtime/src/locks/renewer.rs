//! Keeps locks alive, from a thread of its own: a busy runtime loses no lock, a frozen process does.
//!
//! The thread starts with the first lock that is to be renewed, has its own way to the store, and ends a
//! while after the last one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use towpath_core::store::{LeaseKeeper, LockToken};
use towpath_core::{Clock, Error, Kind, Result, Store, limits};

/// How many times a lock is renewed in its ttl.
const RENEWALS: u32 = 4;
/// How soon a renewal that failed is tried again, at most.
const RETRY: Duration = Duration::from_millis(250);
/// How long the thread waits for another lock before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// One holding of a lock, as this side sees it.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(super) token: LockToken,
    pub(super) ttl: Option<Duration>,
    clock: Arc<dyn Clock>,
    /// Uptime in milliseconds at which the last successful renewal began.
    renewed_ms: AtomicU64,
    /// Becomes true once and stays: the store took the lock away, or it was not renewed in time.
    lost: watch::Sender<bool>,
    /// Whether its guard is gone.
    ended: AtomicBool,
}

impl Holding {
    pub(super) fn new(
        token: LockToken,
        ttl: Option<Duration>,
        clock: Arc<dyn Clock>,
        began: Duration,
    ) -> Self {
        Self {
            token,
            ttl,
            clock,
            renewed_ms: AtomicU64::new(millis(began)),
            lost: watch::Sender::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// A renewal that began at `uptime` has succeeded.
    pub(super) fn renewed(&self, uptime: Duration) {
        self.renewed_ms.store(millis(uptime), Ordering::Release);
    }

    fn since_renewal(&self) -> Duration {
        let renewed = self.renewed_ms.load(Ordering::Acquire);
        Duration::from_millis(millis(self.clock.uptime()).saturating_sub(renewed))
    }

    /// Whether the lock is lost, also by the time that has passed. The store counts its ttl from a later
    /// moment than this side, so this side never believes in it longer.
    pub(super) fn is_lost(&self) -> bool {
        *self.lost.borrow() || self.ttl.is_some_and(|ttl| self.since_renewal() >= ttl)
    }

    pub(super) fn lose(&self) {
        self.lost.send_replace(true);
    }

    pub(super) async fn until_lost(&self) {
        let mut lost = self.lost.subscribe();
        loop {
            if self.is_lost() {
                return;
            }
            let left = self.ttl.map(|ttl| ttl.saturating_sub(self.since_renewal()));
            // The clocks differ by less than a millisecond, but one that stands still must not make us spin.
            let left = left.unwrap_or(limits::LONGEST) + Duration::from_millis(1);
            let _told_or_over = tokio::time::timeout(left, lost.wait_for(|lost| *lost)).await;
        }
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire) || *self.lost.borrow()
    }

    /// How long until it is to be renewed.
    fn due_in(&self) -> Duration {
        let every = self.ttl.unwrap_or(limits::LONGEST) / RENEWALS;
        every.saturating_sub(self.since_renewal())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Renews the locks that are held by way of one store.
#[derive(Debug)]
pub(crate) struct Renewer {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    round: Arc<Round>,
}

/// What the renewer and its thread share.
#[derive(Debug, Default)]
struct Round {
    state: Mutex<State>,
    /// Rung when a holding came, and at the end.
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    holdings: Vec<Arc<Holding>>,
    /// Whether the thread runs, or is about to.
    running: bool,
    stopped: bool,
}

impl Renewer {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            round: Arc::default(),
        }
    }

    /// Renews a lock from now on, until its guard is gone or it is lost.
    pub(super) fn keep(&self, holding: &Arc<Holding>) -> Result<()> {
        let mut state = self.round.lock();
        if !state.running {
            let (store, clock) = (self.store.clone(), self.clock.clone());
            let round = self.round.clone();
            let started = std::thread::Builder::new()
                .name("towpath-locks".to_owned())
                .spawn(move || round.run(&store, &*clock));
            started.map_err(|error| {
                let text = format!("the thread that renews locks did not start: {error}");
                Error::new(Kind::Storage, text).with_source(error)
            })?;
            state.running = true;
        }
        state.holdings.push(holding.clone());
        drop(state);
        self.round.came.notify_one();
        Ok(())
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.round.lock().stopped = true;
        self.round.came.notify_one();
    }
}

impl Round {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A list and two flags: no panic can leave them half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, store: &Arc<dyn Store>, clock: &dyn Clock) {
        let mut keeper = None;
        let mut pause = Duration::ZERO;
        while let Some(due) = self.next(pause) {
            pause = match renew(store, &mut keeper, clock, &due) {
                Ok(()) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!("renewing {} locks: {error}", due.len());
                    // Another connection, if that is what is broken.
                    keeper = None;
                    RETRY.mul_f64(0.5 + 0.5 * fastrand::f64())
                }
            };
        }
    }

    /// Waits until some locks are to be renewed, at least for `pause`. `None` when nothing has come for
    /// long enough.
    fn next(&self, pause: Duration) -> Option<Vec<Arc<Holding>>> {
        let mut state = self.lock();
        let mut wait = pause;
        let mut idle = false;
        loop {
            if !wait.is_zero() {
                let waited = self.came.wait_timeout(state, wait);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            for holding in &state.holdings {
                if holding.is_lost() {
                    holding.lose();
                }
            }
            state.holdings.retain(|holding| !holding.is_over());
            let first = state.holdings.iter().map(|holding| holding.due_in()).min();
            match first {
                _ if state.stopped => {
                    state.running = false;
                    return None;
                }
                None if idle => {
                    state.running = false;
                    return None;
                }
                None => (wait, idle) = (IDLE, true),
                Some(due_in) if due_in.is_zero() => break,
                Some(due_in) => (wait, idle) = (due_in.max(Duration::from_millis(1)), false),
            }
        }
        // Those that are due soon go along.
        let soon = |holding: &&Arc<Holding>| {
            holding.due_in() <= holding.ttl.unwrap_or_default() / (RENEWALS * 2)
        };
        let due = state.holdings.iter().filter(soon);
        Some(due.take(limits::LOCK_BATCH).cloned().collect())
    }
}

fn renew(
    store: &Arc<dyn Store>,
    keeper: &mut Option<Box<dyn LeaseKeeper>>,
    clock: &dyn Clock,
    due: &[Arc<Holding>],
) -> Result<()> {
    let keeper = match keeper {
        Some(keeper) => keeper,
        None => keeper.insert(store.lease_keeper()?),
    };
    let began = clock.uptime();
    let renewals: Vec<_> = due
        .iter()
        .map(|holding| (holding.token.clone(), holding.ttl))
        .collect();
    for (holding, answer) in due.iter().zip(keeper.renew(&renewals)?) {
        match answer {
            Ok(()) => holding.renewed(began),
            Err(error) if error.kind() == Kind::LeaseLost => holding.lose(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
