//! A thread that renews what somebody holds, at a third of how long it lasts, until it is stopped or the thing was lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use towpath_core::{Error, Kind, Result};

/// Of how long it lasts, after how much it is renewed, and after how much again when that has failed.
const RENEW: u32 = 3;
const AGAIN: u32 = 12;

/// The thread. Dropping it stops it, and what it has renewed then ends with its time.
#[derive(Debug)]
pub(crate) struct Renewing {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Set by the thread, once, when what it renews is somebody else's.
    lost: AtomicBool,
    /// Set by the owner; the thread waits for it between two renewals.
    stopping: Mutex<bool>,
    stopped: Condvar,
}

impl Renewing {
    /// Starts the thread. `renew` answers [`Kind::LeaseLost`] or [`Kind::NotFound`] when there is nothing left to renew.
    pub(crate) fn start(
        lasts: Duration,
        renew: impl FnMut() -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("towpath-renew".to_owned());
        let thread = thread
            .spawn(move || theirs.renew_until_stopped(lasts, renew))
            .map_err(|error| {
                let text = "the thread that renews a lock or a claim cannot be started";
                Error::new(Kind::Unavailable, text).with_source(error)
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.shared.lost.load(Ordering::Acquire)
    }

    /// Stops the thread; nothing is renewed any more when this returns.
    pub(crate) fn stop(&mut self) {
        *self.shared.stopping() = true;
        self.shared.stopped.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics at nothing; had it, what it renews would end with its time.
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn stopping(&self) -> MutexGuard<'_, bool> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew_until_stopped(&self, lasts: Duration, mut renew: impl FnMut() -> Result<()>) {
        let mut pause = lasts / RENEW;
        loop {
            let stopping = self.stopping();
            let waited = self
                .stopped
                .wait_timeout_while(stopping, pause, |stopping| !*stopping);
            let (stopping, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *stopping {
                return;
            }
            drop(stopping);
            let renewed = renew();
            pause = lasts / if renewed.is_ok() { RENEW } else { AGAIN };
            let Err(error) = renewed else { continue };
            tracing::warn!(%error, "a lock or a claim could not be renewed");
            if [Kind::LeaseLost, Kind::NotFound].contains(&error.kind()) {
                self.lost.store(true, Ordering::Release);
                return;
            }
        }
    }
}

impl Drop for Renewing {
    fn drop(&mut self) {
        self.stop();
    }
}
