//! Asking for a lock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use towpath_core::name::{LockName, LockOwner};
use towpath_core::store::{LockRecord, LockRequest, Locked, Topic};
use towpath_core::{Error, Kind, Result, limits};

use super::{LockGuard, Owner};
use crate::app::Shared;

/// How long a lock holds without being renewed, unless it says otherwise.
const TTL: Duration = Duration::from_secs(30);
/// The shortest ttl: time for a renewal on a slow machine.
const TTL_MIN: Duration = Duration::from_millis(100);
/// How long whoever waits rests at most before he looks by himself.
const LOOK: Duration = Duration::from_secs(1);

/// What is done when the owner who asks for a lock holds it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlreadyHeld {
    /// It is an error, [`Kind::AlreadyExists`]: two parts of one owner want the same.
    #[default]
    Error,
    /// The holding is joined: a guard under the same token. Dropping that guard leaves the lock to
    /// whoever took it; [`LockGuard::release`] releases it.
    Keep,
    /// It is as if another held it.
    Refuse,
}

/// A lock by its name: what one owner at a time may do, across processes and machines.
///
/// Made by [`Broker::lock`](crate::Broker::lock). While its guard lives it is renewed by itself, so a short
/// ttl only says how soon another may go on after this process died. Use it around what must not happen
/// twice at a time; for what should happen once, give the message an id of its own instead.
///
/// No lock can keep a frozen process from waking up after its lock went to another. Hand the
/// [fence](LockGuard::fence) to what you write to, and have it refuse a smaller one.
///
/// ```
/// use std::time::Duration;
/// use towpath_runtime::{Broker, Owner};
/// # use std::sync::Arc;
/// # use towpath_core::SystemClock; use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// let lock = broker.lock("nightly-report")?.ttl(Duration::from_secs(10));
/// let guard = lock.try_lock().await?.expect("nobody holds it");
///
/// let other = broker.lock("nightly-report")?.owner(Owner::Thread);
/// assert!(other.try_lock().await?.is_none());
/// assert_eq!(other.holder().await?.unwrap().fence, guard.fence());
///
/// guard.release().await?;
/// assert!(other.lock(Duration::ZERO).await.is_ok());
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Lock {
    shared: Arc<Shared>,
    name: LockName,
    owner: Owner,
    ttl: Option<Duration>,
    renewed: bool,
    already_held: AlreadyHeld,
}

impl Lock {
    pub(crate) fn new(shared: Arc<Shared>, name: LockName) -> Self {
        Self {
            shared,
            name,
            owner: Owner::default(),
            ttl: Some(TTL),
            renewed: true,
            already_held: AlreadyHeld::default(),
        }
    }

    /// Sets who asks: this process by default.
    #[must_use]
    pub fn owner(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    /// Sets how long the lock holds without being renewed, from 100 ms to ten years: 30 s by default.
    /// The guard renews it every quarter of that.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        let ttl = Some(ttl);
        Self { ttl, ..self }
    }

    /// Lets the lock hold until it is released, also after the death of this process. An operator can
    /// release it with `towpath locks release`.
    #[must_use]
    pub fn without_ttl(self) -> Self {
        Self { ttl: None, ..self }
    }

    /// Leaves the lock to its ttl: it is not renewed, and ends at the latest when that is over.
    #[must_use]
    pub fn without_renewal(self) -> Self {
        let renewed = false;
        Self { renewed, ..self }
    }

    /// Sets what is done when the owner holds the lock already: an error by default.
    #[must_use]
    pub fn already_held(self, already_held: AlreadyHeld) -> Self {
        Self {
            already_held,
            ..self
        }
    }

    /// Its name.
    pub fn name(&self) -> &LockName {
        &self.name
    }

    /// Takes the lock if it is free; `None` when somebody else holds it.
    ///
    /// # Errors
    ///
    /// [`Kind::AlreadyExists`] when the owner holds it already, unless it was told otherwise;
    /// [`Kind::Invalid`] when the ttl is outside its limits; what the store says. After a transient error
    /// the lock may have been taken: then it ends with its ttl.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the lock taken until its ttl ends.
    pub async fn try_lock(&self) -> Result<Option<LockGuard>> {
        self.check()?;
        Ok(self.attempt(&self.owner.name()).await?.ok())
    }

    /// Takes the lock, waiting until it is free, at most for `wait`. Who waits is woken by the release.
    /// Those who wait are served in no particular order.
    ///
    /// # Errors
    ///
    /// [`Kind::TimedOut`] when it was not free in time, naming who holds it; else as
    /// [`try_lock`](Lock::try_lock). A store that is out of reach for a moment is asked again.
    ///
    /// # Cancel safety
    ///
    /// As [`try_lock`](Lock::try_lock).
    pub async fn lock(&self, wait: Duration) -> Result<LockGuard> {
        self.check()?;
        let owner = self.owner.name();
        let deadline = Instant::now().checked_add(wait);
        let is_late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let mut watch = self.shared.store.watch(Topic::Unlock);
        loop {
            let left = match self.attempt(&owner).await {
                Ok(Ok(guard)) => return Ok(guard),
                Ok(Err(holder)) if is_late() => return Err(self.timed_out(wait, &holder)),
                Ok(Err(holder)) => holder.left.unwrap_or(LOOK),
                Err(error) if error.is_transient() && !is_late() => LOOK,
                Err(error) => return Err(error),
            };
            // Nobody rings when a lock ends with its ttl. Jittered, so that not all who wait come at once.
            let rest = left.min(LOOK).mul_f64(1.0 + 0.1 * fastrand::f64());
            let until = [deadline, Instant::now().checked_add(rest)];
            let until = until
                .into_iter()
                .flatten()
                .min()
                .unwrap_or_else(Instant::now);
            // Whether it rang or the time is up, the answer is to try.
            let _ = timeout_at(until, watch.changed()).await;
        }
    }

    fn check(&self) -> Result<()> {
        let Some(ttl) = self.ttl else { return Ok(()) };
        if (TTL_MIN..=limits::LONGEST).contains(&ttl) {
            return Ok(());
        }
        let name = &self.name;
        Err(Error::invalid(format!(
            "the ttl of lock {name:?} is {ttl:?}; give it {TTL_MIN:?} to ten years, or none"
        )))
    }

    /// One try: a guard, or who holds the lock.
    async fn attempt(&self, owner: &LockOwner) -> Result<Result<LockGuard, LockRecord>> {
        let began = self.shared.clock.uptime();
        let request = LockRequest {
            name: self.name.clone(),
            owner: owner.clone(),
            ttl: self.ttl,
        };
        let holder = match self.shared.store.locks().lock(request).await? {
            Locked::Taken(token) => return self.guard(token, began, true).await.map(Ok),
            Locked::Held(holder) => holder,
        };
        if holder.owner != *owner {
            return Ok(Err(holder));
        }
        match self.already_held {
            AlreadyHeld::Refuse => Ok(Err(holder)),
            AlreadyHeld::Keep => self.guard(holder.token(), began, false).await.map(Ok),
            AlreadyHeld::Error => {
                let name = &self.name;
                let text = format!("lock {name:?} is held by {owner:?} already, who asks for it");
                Err(Error::new(Kind::AlreadyExists, text))
            }
        }
    }

    async fn guard(
        &self,
        token: towpath_core::store::LockToken,
        began: Duration,
        taken: bool,
    ) -> Result<LockGuard> {
        let guard = LockGuard::new(&self.shared, token, self.ttl, began, taken);
        if !taken {
            // Its ttl may be another than ours, and nearly over.
            guard.renew().await?;
        }
        if self.renewed && self.ttl.is_some() {
            self.shared.renewer.keep(guard.holding())?;
        }
        Ok(guard)
    }

    fn timed_out(&self, wait: Duration, holder: &LockRecord) -> Error {
        let (name, owner) = (&self.name, &holder.owner);
        let text = format!("lock {name:?} was not free within {wait:?}: {owner:?} holds it");
        Error::new(Kind::TimedOut, text)
    }

    /// Who holds the lock; `None` when it is free.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn holder(&self) -> Result<Option<LockRecord>> {
        let names = vec![self.name.clone()];
        let mut holders = self.shared.store.locks().holders(names).await?;
        Ok(holders.pop().flatten())
    }

    /// Whether the owner holds the lock, by this guard or another.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn is_held(&self) -> Result<bool> {
        let owner = self.owner.name();
        let holder = self.holder().await?;
        Ok(holder.is_some_and(|holder| holder.owner == owner))
    }

    /// Releases the lock if the owner holds it, by whichever guard; answers whether he did.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn release(&self) -> Result<bool> {
        let owner = self.owner.name();
        let holder = self.holder().await?;
        let Some(holder) = holder.filter(|holder| holder.owner == owner) else {
            return Ok(false);
        };
        let unlocked = self
            .shared
            .store
            .locks()
            .unlock(vec![holder.token()])
            .await?;
        Ok(unlocked == [true])
    }

    /// Releases the lock whoever holds it; answers who did. For operators: a holder that lives on learns
    /// of it at his next renewal.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn seize(&self) -> Result<Option<LockRecord>> {
        let names = vec![self.name.clone()];
        let mut holders = self.shared.store.locks().seize(names).await?;
        Ok(holders.pop().flatten())
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("name", &self.name)
            .field("owner", &self.owner)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
