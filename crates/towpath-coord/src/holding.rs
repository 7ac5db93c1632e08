//! A lock that is renewed for as long as somebody works under it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use towpath_core::Result;

use crate::event_lock::EventLock;
use crate::renewing::Renewing;

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
    /// Declared first, so that it is stopped first where this is dropped.
    renewing: Renewing,
    /// Locked for a transition by whoever makes one: the thread, or the owner of this.
    lock: Arc<Mutex<EventLock>>,
}

impl EventLock {
    /// Has a held lock renewed by a thread until the answer is dropped.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`](towpath_core::Kind::NotFound) when this value holds no lock,
    /// [`Kind::LeaseLost`](towpath_core::Kind::LeaseLost) when it was lost,
    /// [`Kind::Unavailable`](towpath_core::Kind::Unavailable) when no thread can be started.
    pub fn keep(mut self) -> Result<Holding> {
        self.renew()?;
        let timeout = self.timeout();
        let lock = Arc::new(Mutex::new(self));
        let theirs = lock.clone();
        let renewing = Renewing::start(timeout, move || locked(&theirs).renew())?;
        Ok(Holding { renewing, lock })
    }
}

impl Holding {
    /// Whether a renewal has found that the lock is somebody else's: then the work under it is in vain.
    pub fn is_lost(&self) -> bool {
        self.renewing.is_lost()
    }

    /// The number of this taking: larger than that of any before it.
    pub fn fence(&self) -> u64 {
        locked(&self.lock).fence().unwrap_or(0)
    }

    /// As [`EventLock::publish`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn publish<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        locked(&self.lock).publish(work)
    }

    /// Gives the lock up; answers whether it was still held.
    ///
    /// # Errors
    ///
    /// As [`EventLock::release`].
    pub fn release(mut self) -> Result<bool> {
        self.renewing.stop();
        locked(&self.lock).release()
    }
}

fn locked(lock: &Mutex<EventLock>) -> MutexGuard<'_, EventLock> {
    // What counts is on disk; a panic within `publish` has changed nothing here.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
