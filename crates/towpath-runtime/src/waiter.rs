//! Waiting for something in the store: woken by its bell, not by a clock.
//!
//! Whoever waits makes a [`Waiter`], looks, waits until something changed, and looks again. The
//! bell rings for every change of every message, so three rules keep many waiters on a busy store
//! cheap:
//!
//! * However often it rang meanwhile, there is one look.
//! * After a look that took a while a waiter rests three times as long (at most 100 ms), so it
//!   keeps the store busy for a quarter of the time at most. The more waiters crowd a store, the
//!   longer their looks take, and the rarer they become.
//! * A bell may be lost with the process that should have rung it, so a waiter that heard nothing
//!   looks by itself at the interval the store asks for.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use towpath_core::store::{Topic, Watch};
use towpath_core::{Result, Store};

/// How many times as long as its looks took a waiter rests.
const REST_FACTOR: u32 = 3;
/// Shorter rests are left out: no timer is that fine.
const REST_MIN: Duration = Duration::from_millis(1);
/// A single slow look must not make a waiter blind for long.
const REST_MAX: Duration = Duration::from_millis(100);

/// One who waits for a change in the store, for a limited time.
pub(crate) struct Waiter {
    watch: Box<dyn Watch>,
    fallback: Duration,
    timeout: Duration,
    /// `None` when the time is too long to ever end.
    deadline: Option<Instant>,
    /// How long the looks since the last wait took.
    looked: Duration,
}

impl Waiter {
    /// Hears every change from now on: make it before the first look.
    pub(crate) fn new(store: &dyn Store, timeout: Duration) -> Self {
        Self {
            watch: store.watch(Topic::Change),
            fallback: store.capabilities().fallback_poll,
            timeout,
            deadline: Instant::now().checked_add(timeout),
            looked: Duration::ZERO,
        }
    }

    /// The time it was given.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether its time is up. Asked after a look, so that there is one after the deadline too.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Asks the store. `None` when it is out of reach for now and there is time to ask again.
    pub(crate) async fn look<T>(
        &mut self,
        look: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        let began = Instant::now();
        let answer = look.await;
        self.looked += began.elapsed();
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_transient() && !self.is_late() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until another look is worth its while, or the time is up.
    pub(crate) async fn changed(&mut self) {
        self.changed_or_at(None).await;
    }

    /// As [`changed`](Waiter::changed), and no longer than until `at`.
    pub(crate) async fn changed_or_at(&mut self, at: Option<Instant>) {
        let now = Instant::now();
        let until = [at, self.deadline, now.checked_add(self.fallback)];
        let until = until.into_iter().flatten().min().unwrap_or(now);
        let rest = (std::mem::take(&mut self.looked) * REST_FACTOR).min(REST_MAX);
        if rest >= REST_MIN {
            sleep(rest.min(until.saturating_duration_since(now))).await;
        }
        // Whether it rang or the time is up, the answer is to look.
        let _ = timeout_at(until, self.watch.changed()).await;
    }
}
