//! Locks that end with an attempt.

use std::sync::{Mutex, PoisonError};

use towpath_core::store::LockToken;
use towpath_core::{Error, Kind, Result, limits};

use super::LockGuard;

/// The locks of one attempt, as long as it runs.
#[derive(Debug)]
pub(crate) struct Linked(Mutex<Option<Vec<LockGuard>>>);

impl Default for Linked {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl Linked {
    pub(crate) fn add(&self, guard: LockGuard) -> Result<()> {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(links) = &mut *links else {
            let text = "the attempt has ended; the lock that was to end with it is released";
            return Err(Error::new(Kind::WrongState, text));
        };
        limits::check_batch("linked locks", links.len() + 1, limits::LINKED_LOCKS)?;
        links.push(guard);
        Ok(())
    }

    /// Takes the locks out, once the attempt has ended.
    pub(crate) fn take(&self) -> Links {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Links(links.take().unwrap_or_default())
    }
}

/// The locks of an attempt that has ended, until the store has accepted its end. Dropped, they are released
/// like any other.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<LockGuard>);

impl Links {
    /// What the settle releases.
    pub(crate) fn tokens(&self) -> Vec<LockToken> {
        self.0.iter().map(|guard| guard.token().clone()).collect()
    }

    /// The settle was accepted, and has released them.
    pub(crate) fn settled(self) {
        for mut guard in self.0 {
            guard.disarm();
        }
    }
}
