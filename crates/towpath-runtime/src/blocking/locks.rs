//! Locks.

use std::time::Duration;

use towpath_core::Result;
use towpath_core::name::LockName;
use towpath_core::store::{LockRecord, LockToken};

use super::bridge::Bridge;
use crate::{AlreadyHeld, Owner};

/// A lock by its name: [`crate::Lock`] for plain threads.
///
/// Made by [`Broker::lock`](super::Broker::lock). Every method fails as the async one does, and with
/// [`Kind::Unsupported`](towpath_core::Kind::Unsupported) on a thread of an async runtime.
#[derive(Debug, Clone)]
pub struct Lock {
    inner: crate::Lock,
    bridge: Bridge,
}

impl Lock {
    pub(super) fn new(inner: crate::Lock, bridge: Bridge) -> Self {
        Self { inner, bridge }
    }

    fn with(self, change: impl FnOnce(crate::Lock) -> crate::Lock) -> Self {
        Self {
            inner: change(self.inner),
            bridge: self.bridge,
        }
    }

    /// Sets who asks: this process by default.
    #[must_use]
    pub fn owner(self, owner: Owner) -> Self {
        self.with(|lock| lock.owner(owner))
    }

    /// Sets how long the lock holds without being renewed, from 100 ms to ten years: 30 s by default.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|lock| lock.ttl(ttl))
    }

    /// Lets the lock hold until it is released, also after the death of this process.
    #[must_use]
    pub fn without_ttl(self) -> Self {
        self.with(crate::Lock::without_ttl)
    }

    /// Leaves the lock to its ttl: it is not renewed.
    #[must_use]
    pub fn without_renewal(self) -> Self {
        self.with(crate::Lock::without_renewal)
    }

    /// Sets what is done when the owner holds the lock already: an error by default.
    #[must_use]
    pub fn already_held(self, already_held: AlreadyHeld) -> Self {
        self.with(|lock| lock.already_held(already_held))
    }

    /// Returns its name.
    pub fn name(&self) -> &LockName {
        self.inner.name()
    }

    /// Takes the lock if it is free; `None` when somebody else holds it.
    ///
    /// # Errors
    ///
    /// As [`crate::Lock::try_lock`].
    pub fn try_lock(&self) -> Result<Option<LockGuard>> {
        let guard = self.bridge.run(self.inner.try_lock())?;
        Ok(guard.map(|guard| self.guard(guard)))
    }

    /// Takes the lock, waiting until it is free, at most for `wait`.
    ///
    /// # Errors
    ///
    /// As [`crate::Lock::lock`].
    pub fn lock(&self, wait: Duration) -> Result<LockGuard> {
        let guard = self.bridge.run(self.inner.lock(wait))?;
        Ok(self.guard(guard))
    }

    fn guard(&self, inner: crate::LockGuard) -> LockGuard {
        LockGuard {
            inner: Some(inner),
            bridge: self.bridge.clone(),
        }
    }

    /// Returns who holds the lock; `None` when it is free.
    ///
    /// # Errors
    ///
    /// As [`crate::Lock::holder`].
    pub fn holder(&self) -> Result<Option<LockRecord>> {
        self.bridge.run(self.inner.holder())
    }

    /// Tells whether the owner holds the lock, by this guard or another.
    ///
    /// # Errors
    ///
    /// As [`crate::Lock::is_held`].
    pub fn is_held(&self) -> Result<bool> {
        self.bridge.run(self.inner.is_held())
    }

    /// Releases the lock if the owner holds it, by whichever guard; answers whether he did.
    ///
    /// # Errors
    ///
    /// As [`crate::Lock::release`].
    pub fn release(&self) -> Result<bool> {
        self.bridge.run(self.inner.release())
    }

    /// Releases the lock whoever holds it; answers who did.
    ///
    /// # Errors
    ///
    /// As [`crate::Lock::seize`].
    pub fn seize(&self) -> Result<Option<LockRecord>> {
        self.bridge.run(self.inner.seize())
    }
}

/// A lock that is held, and renewed, for as long as this lives: [`crate::LockGuard`] for plain threads.
/// Dropping it releases the lock.
#[derive(Debug)]
#[must_use = "the lock is released when its guard is dropped"]
pub struct LockGuard {
    /// Always there but in the middle of a drop.
    inner: Option<crate::LockGuard>,
    bridge: Bridge,
}

impl LockGuard {
    fn inner(&self) -> &crate::LockGuard {
        self.inner
            .as_ref()
            .expect("it is taken out only at the end")
    }

    fn take(mut self) -> crate::LockGuard {
        self.inner.take().expect("it is taken out only at the end")
    }

    /// Returns the proof of this holding: the lock's name and the fence.
    pub fn token(&self) -> &LockToken {
        self.inner().token()
    }

    /// Returns the number of this holding: see [`crate::LockGuard::fence`].
    pub fn fence(&self) -> u64 {
        self.inner().fence()
    }

    /// Tells whether the lock is held as far as this side can tell.
    pub fn is_held(&self) -> bool {
        self.inner().is_held()
    }

    /// Renews the lock now: proof that it is held at this moment.
    ///
    /// # Errors
    ///
    /// As [`crate::LockGuard::renew`].
    pub fn renew(&self) -> Result<()> {
        self.bridge.run(self.inner().renew())
    }

    /// Releases the lock; answers whether it was still held.
    ///
    /// # Errors
    ///
    /// As [`crate::LockGuard::release`].
    pub fn release(self) -> Result<bool> {
        let bridge = self.bridge.clone();
        bridge.run(self.take().release())
    }

    /// Ends the guard and leaves the lock as it is.
    pub fn leave(self) -> LockToken {
        self.take().leave()
    }

    /// Returns the async guard, to have the lock end with an attempt: see [`crate::Context::link_lock`].
    pub fn into_inner(self) -> crate::LockGuard {
        self.take()
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let Some(guard) = self.inner.take() else {
            return;
        };
        // Dropped inside, where there is a runtime to send the release. On a thread of an async runtime
        // nothing is run, and it is dropped right there, by the same way.
        let _refused_there = self.bridge.run(async move {
            drop(guard);
            Ok(())
        });
    }
}
