//! A lock that is held.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::LockToken;
use towpath_core::{Error, Kind, Result};

use super::renewer::Holding;
use crate::app::Shared;

/// A lock that is held, and renewed, for as long as this lives.
///
/// Dropping it releases the lock, if that is done on a thread of an async runtime; elsewhere renewing stops
/// and the lock ends with its ttl. [`release`](LockGuard::release) says whether it was still held.
#[must_use = "the lock is released when its guard is dropped"]
pub struct LockGuard {
    shared: Arc<Shared>,
    holding: Arc<Holding>,
    /// Whether the lock goes with the guard.
    releases: bool,
}

impl LockGuard {
    pub(super) fn new(
        shared: &Arc<Shared>,
        token: LockToken,
        ttl: Option<Duration>,
        began: Duration,
        releases: bool,
    ) -> Self {
        let holding = Holding::new(token, ttl, shared.clock.clone(), began);
        Self {
            shared: shared.clone(),
            holding: Arc::new(holding),
            releases,
        }
    }

    pub(super) fn holding(&self) -> &Arc<Holding> {
        &self.holding
    }

    /// Proof of this holding: the lock's name and the fence.
    pub fn token(&self) -> &LockToken {
        &self.holding.token
    }

    /// The number of this holding, greater than that of every lock taken in this namespace before. Hand
    /// it to what you write to, and let that refuse a smaller one.
    pub fn fence(&self) -> u64 {
        self.token().fence
    }

    /// Whether the lock is held as far as this side can tell; it gives up earlier than the store, never
    /// later. Look before a step that cannot be taken back.
    pub fn is_held(&self) -> bool {
        !self.holding.is_lost()
    }

    /// Waits until the lock is lost: somebody released it, or it could not be renewed for as long as its
    /// ttl. For ever if that never happens.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn lost(&self) {
        self.holding.until_lost().await;
    }

    /// Renews the lock now, by asking the store: proof that it is held at this moment.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`] when it is not; what the store says.
    pub async fn renew(&self) -> Result<()> {
        let began = self.shared.clock.uptime();
        let renewal = (self.token().clone(), self.holding.ttl);
        let mut answers = self.shared.store.locks().renew(vec![renewal]).await?;
        let answer = answers
            .pop()
            .unwrap_or_else(|| Err(Error::new(Kind::Storage, "the store gave no answer")));
        match &answer {
            Ok(()) => self.holding.renewed(began),
            Err(error) if error.kind() == Kind::LeaseLost => self.holding.lose(),
            Err(_) => {}
        }
        answer
    }

    /// Releases the lock; answers whether it was still held. If it was not, somebody else may have held
    /// it meanwhile.
    ///
    /// # Errors
    ///
    /// What the store says; the lock then ends with its ttl.
    pub async fn release(mut self) -> Result<bool> {
        let token = self.disarm();
        let unlocked = self.shared.store.locks().unlock(vec![token]).await?;
        Ok(unlocked == [true])
    }

    /// Ends the guard and leaves the lock as it is: it holds until its ttl ends, or until it is released
    /// by its [owner](super::Lock::release).
    pub fn leave(mut self) -> LockToken {
        self.disarm()
    }

    /// From now on the lock is neither renewed nor released by this guard.
    pub(super) fn disarm(&mut self) -> LockToken {
        self.releases = false;
        self.holding.end();
        self.token().clone()
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.holding.end();
        if !self.releases || self.holding.is_lost() {
            return;
        }
        // Outside a runtime nobody can send the release; the ttl covers it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (shared, token) = (self.shared.clone(), self.token().clone());
        runtime.spawn(async move {
            if let Err(error) = shared.store.locks().unlock(vec![token]).await {
                tracing::debug!("releasing a lock whose guard was dropped: {error}");
            }
        });
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("token", self.token())
            .finish_non_exhaustive()
    }
}
