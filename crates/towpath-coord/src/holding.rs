//! A lock that is renewed for as long as somebody works under it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use towpath_core::{Error, Kind, Result};

use crate::event_lock::EventLock;

/// Of its timeout, after how much a lock is renewed, and after how much again when that has failed.
const RENEW: u32 = 3;
const AGAIN: u32 = 12;

/// A held lock and the thread that renews it, at a third of its timeout. Dropping it gives the lock up.
///
/// For work that may take longer than the timeout. What only the holder may do goes through
/// [`publish`](Holding::publish), which refuses it once the lock was lost.
///
/// # Examples
///
/// ```
/// use towpath_coord::{Cancel, EventLock, Network, Place, Steal, Wait, World};
///
/// let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let mut lock = EventLock::new(place.clone());
/// assert!(lock.acquire_within(Wait::No, Steal::Expired, &Cancel::new())?);
/// let holding = lock.keep()?;
/// // Work that takes minutes; then:
/// holding.publish(|| Ok(()))?;
/// assert!(holding.release()?);
/// assert_eq!(EventLock::new(place).expires()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Holding {
    shared: Arc<Shared>,
    renewing: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Held for a transition by whoever makes one: the thread, or the owner of the [`Holding`].
    lock: Mutex<EventLock>,
    /// Set by the thread, once, when the lock is somebody else's.
    lost: AtomicBool,
    /// Set by the owner; the thread waits for it between two renewals.
    stopping: Mutex<bool>,
    stopped: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, EventLock> {
        // What counts is on disk; a panic within `publish` has changed nothing here.
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> MutexGuard<'_, bool> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renew_until_stopped(&self) {
        let timeout = self.lock().timeout();
        let mut pause = timeout / RENEW;
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
            let renewed = self.lock().renew();
            pause = timeout / if renewed.is_ok() { RENEW } else { AGAIN };
            let Err(error) = renewed else { continue };
            tracing::warn!(%error, "a lock could not be renewed");
            if [Kind::LeaseLost, Kind::NotFound].contains(&error.kind()) {
                self.lost.store(true, Ordering::Release);
                return;
            }
        }
    }
}

impl EventLock {
    /// Has a held lock renewed by a thread until the answer is dropped.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] when this value holds no lock, [`Kind::LeaseLost`] when it was lost, [`Kind::Unavailable`] when no
    /// thread can be started.
    pub fn keep(mut self) -> Result<Holding> {
        self.renew()?;
        let shared = Arc::new(Shared {
            lock: Mutex::new(self),
            lost: AtomicBool::new(false),
            stopping: Mutex::new(false),
            stopped: Condvar::new(),
        });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new().name("towpath-renew".to_owned());
        let renewing = thread
            .spawn(move || theirs.renew_until_stopped())
            .map_err(|error| {
                let text = "the thread that renews a lock cannot be started";
                Error::new(Kind::Unavailable, text).with_source(error)
            })?;
        Ok(Holding {
            shared,
            renewing: Some(renewing),
        })
    }
}

impl Holding {
    /// Whether a renewal has found that the lock is somebody else's: then the work under it is in vain.
    pub fn is_lost(&self) -> bool {
        self.shared.lost.load(Ordering::Acquire)
    }

    /// The number of this taking: larger than that of any before it.
    pub fn fence(&self) -> u64 {
        self.shared.lock().fence().unwrap_or(0)
    }

    /// As [`EventLock::publish`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn publish<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.shared.lock().publish(work)
    }

    /// Gives the lock up; answers whether it was still held.
    ///
    /// # Errors
    ///
    /// As [`EventLock::release`].
    pub fn release(mut self) -> Result<bool> {
        self.stop();
        self.shared.lock().release()
    }

    fn stop(&mut self) {
        *self.shared.stopping() = true;
        self.shared.stopped.notify_all();
        if let Some(renewing) = self.renewing.take() {
            // It panics at nothing; had it, the lock would end with its time.
            let _ended = renewing.join();
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.stop();
    }
}
