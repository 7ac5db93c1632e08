//! The cooperative lock of an event directory.
//!
//! Who holds it is said by the record in the [guard](crate::guard) file; for those who look from outside, and for the
//! system that this one follows, a directory stands there for as long as it is held, and its mtime is that of
//! the last renewal. So both exclude each other in one directory.
//!
//! Every transition happens under the guard's lock, in this order:
//!
//! | transition | steps | who dies between them leaves |
//! | --- | --- | --- |
//! | take | record with a holder; `mkdir`; record with the directory | a holder that is dead, found so at once; the directory, when it is there, goes with the next taking |
//! | renew | `utimensat` of the directory; record | a directory that is newer than its record: the holder is dead |
//! | release | `rmdir`; record without a holder | a holder without a directory: nobody |
//! | steal | `rmdir`; then as take | as release, then as take |
//! | take for a moment | record with a holder; `mkdir`; the work; `rmdir`; record without a holder | a holder that is dead, perhaps his directory; a holder without one: nobody |
//!
//! **A lock is free** when the record has no holder and no directory is there; when the holder's process is dead beyond
//! doubt; or when its directory was taken away or touched by somebody who does not know the guard. **It may be
//! stolen** when its time is over: by the boot clock among processes of one start of the machine, else by the wall
//! clock. A directory that nobody here has made is somebody else's until its mtime is older than the timeout.

use std::time::{Duration, SystemTime};

use towpath_core::{Error, Kind, Result};

use crate::fs::{Sort, Stat};
use crate::guard::{Guard, Holder, named};
use crate::liveness::{Identity, Life};
use crate::place::{Place, storage};
use crate::wait::{Cancel, Pace, Patience, Wait};

/// How long a lock lasts that is not renewed.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// The directory that stands for the lock.
pub const LOCK_NAME: &str = ".lock";
/// The guard file beside it.
const GUARD_NAME: &str = ".towpath.guard";
/// How long a transition of somebody else may take.
const TRANSITION: Duration = Duration::from_secs(5);

/// What to do about a lock whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Steal {
    /// Its holder most likely died, or stands still; it is taken.
    #[default]
    Expired,
    /// It is respected like any other.
    Never,
}

/// The lock of one directory, held or not, by this value.
///
/// # Examples
///
/// ```
/// use towpath_coord::{EventLock, Network, Place, World};
///
/// let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let (mut one, mut other) = (EventLock::new(place.clone()), EventLock::new(place));
/// assert!(one.acquire(true, true)?);
/// assert!(!other.acquire(false, false)?);
/// assert!(one.release()?);
/// assert!(other.acquire(false, false)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventLock {
    place: Place,
    timeout: Duration,
    held: Option<Held>,
}

/// Who holds a lock, as an onlooker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// The process that holds it; `None` when a program made the lock's directory that does not say who it is.
    pub owner: Option<Identity>,
    /// Whether that process lives. Where it is dead the lock is free.
    pub life: Life,
    /// The number of its taking; `None` where there is no owner.
    pub fence: Option<u64>,
    /// Until when it lasts that is not renewed.
    pub expires: SystemTime,
    /// Whether that time is over, so that who waits may steal the lock.
    pub is_over: bool,
}

/// What this value knows of its own taking.
#[derive(Debug, Clone)]
struct Held {
    token: String,
    fence: u64,
}

/// What a look at record and directory says.
#[derive(Debug)]
enum Look {
    Free,
    /// Somebody's, whose time may be over.
    Taken {
        expires: SystemTime,
        is_over: bool,
        /// Unless it is somebody's who does not know the guard.
        owner: Option<Identity>,
    },
}

impl EventLock {
    /// The lock of this directory, which lasts [`LOCK_TIMEOUT`] when it is not renewed.
    pub fn new(place: Place) -> Self {
        Self::lasting(place, LOCK_TIMEOUT)
    }

    /// The same with another timeout.
    pub fn lasting(place: Place, timeout: Duration) -> Self {
        Self {
            place,
            timeout,
            held: None,
        }
    }

    /// Tries to take the lock, as its original does: without `wait` once and never from somebody whose time is over;
    /// with it until the lock is free, or, with `steal` as well, until its time is over. Answers whether it was taken.
    ///
    /// For a wait that ends, see [`acquire_within`](EventLock::acquire_within).
    ///
    /// # Errors
    ///
    /// As [`acquire_within`](EventLock::acquire_within).
    pub fn acquire(&mut self, wait: bool, steal: bool) -> Result<bool> {
        let steal = if wait && steal {
            Steal::Expired
        } else {
            Steal::Never
        };
        let wait = if wait { Wait::Forever } else { Wait::No };
        self.acquire_within(wait, steal, &Cancel::new())
    }

    /// Takes the lock, waiting for it as long as is said; answers whether it was taken.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] when this value holds it already: it would wait for itself. [`Kind::Stopped`] when the
    /// wait was called off, [`Kind::NotFound`] when the directory is gone, [`Kind::Storage`] when it cannot be
    /// written.
    pub fn acquire_within(&mut self, wait: Wait, steal: Steal, cancel: &Cancel) -> Result<bool> {
        if self.held.is_some() && self.is_current()? {
            let text = format!("the lock of {} is already held here", self.shown());
            return Err(Error::new(Kind::WrongState, text));
        }
        self.held = None;
        let holder = self.as_holder();
        let token = holder.token.clone();
        let Some((mut guard, fence)) = self.begin(wait, steal, cancel, &holder)? else {
            return Ok(false);
        };
        self.complete(&mut guard, fence, holder)?;
        self.held = Some(Held { token, fence });
        Ok(true)
    }

    /// Does something short under the lock, which is taken and given up around it in one transition: nobody can steal
    /// it meanwhile. `None` when it was not free in time; else what `work` says, which is told the fence.
    ///
    /// # Errors
    ///
    /// As [`acquire_within`](EventLock::acquire_within), and those of `work`.
    pub(crate) fn within<T>(
        &self,
        wait: Wait,
        cancel: &Cancel,
        work: impl FnOnce(u64) -> Result<T>,
    ) -> Result<Option<T>> {
        let begun = self.begin(wait, Steal::Expired, cancel, &self.as_holder())?;
        let Some((mut guard, fence)) = begun else {
            return Ok(None);
        };
        // Where it cannot be looked at it is taken for ours.
        let ours = self.directory().ok().flatten();
        let done = work(fence);
        let left = self.leave(&mut guard, ours.as_ref());
        // What is done is dropped behind it when the directory cannot be removed: that may need the guard itself.
        drop(guard);
        let done = done?;
        left?;
        Ok(Some(done))
    }

    /// Ends a taking for a moment. A directory that is not ours any more is left alone: somebody who does not know the
    /// guard has found us too slow.
    fn leave(&self, guard: &mut Guard, ours: Option<&Stat>) -> Result<()> {
        let (fence, found) = (guard.record.fence, self.directory().ok().flatten());
        let is_theirs =
            matches!((ours, found), (Some(ours), Some(found)) if !is_same(ours, &found));
        if !is_theirs && let Err(error) = self.remove_directory() {
            // For anybody to take at once; where that cannot be said it is free when its time is over.
            let over = Holder {
                expires_uptime: 0,
                expires_wall: 0,
                directory: ours.map(|ours| named(ours.id, since_1970(ours.modified))),
                ..self.as_holder()
            };
            let _left_to_expire = guard.write(&self.place, fence, Some(over));
            return Err(error);
        }
        // Or a directory that somebody else makes later would be taken for what we have left.
        guard.write(&self.place, fence, None)
    }

    /// Takes the lock up to its directory, at a moment in which that may be done; `None` when none has come in time.
    /// When it fails nobody holds it.
    fn begin(
        &self,
        wait: Wait,
        steal: Steal,
        cancel: &Cancel,
        holder: &Holder,
    ) -> Result<Option<(Guard, u64)>> {
        let clock = &*self.place.world.clock;
        let (patience, mut pace) = (Patience::new(wait, clock, cancel), Pace::new());
        loop {
            // A transition of somebody else is waited for also by who does not wait for the lock.
            let patient = patience.at_least(TRANSITION, clock);
            let mut guard = match Guard::enter(&self.place, GUARD_NAME, &patient) {
                Err(error) if error.kind() == Kind::TimedOut => return Ok(None),
                guard => guard?,
            };
            let owner = match self.look(&guard)? {
                Look::Taken { is_over, owner, .. } if !is_over || steal == Steal::Never => owner,
                _ => {
                    let fence = guard.next_fence();
                    if self.make(&mut guard, fence, holder)? {
                        return Ok(Some((guard, fence)));
                    }
                    None
                }
            };
            drop(guard);
            // The end of the owner's process is told at once; that he gives it up is seen by looking.
            let sleep = |pause| match &owner {
                Some(owner) => self.place.world.processes.sleep_while(owner, pause),
                None => std::thread::sleep(pause),
            };
            if !pace.wait(clock, &patience, sleep)? {
                return Ok(None);
            }
        }
    }

    /// Makes the directory, whosever the lock was; answers whether it is ours, for somebody who does not know the guard
    /// may be faster.
    fn make(&self, guard: &mut Guard, fence: u64, holder: &Holder) -> Result<bool> {
        self.remove_directory()?;
        guard.write(&self.place, fence, Some(holder.clone()))?;
        let path = self.place.path(LOCK_NAME);
        match self.place.world.fs.create_dir(&path) {
            Ok(()) => Ok(true),
            Err(error) => {
                let unsaid = guard.write(&self.place, fence, None);
                match error.kind() {
                    std::io::ErrorKind::AlreadyExists => unsaid.map(|()| false),
                    _ => Err(storage(&path, "make", error)),
                }
            }
        }
    }

    /// Says in the record which directory is ours. When it fails nobody holds the lock.
    fn complete(&self, guard: &mut Guard, fence: u64, mut holder: Holder) -> Result<()> {
        let said = self.touch().and_then(|directory| {
            holder.directory = Some(directory);
            guard.write(&self.place, fence, Some(holder))
        });
        if said.is_err() {
            // What cannot be undone ends with its time.
            let _left_to_expire = self.remove_directory();
            let _left_to_expire = guard.write(&self.place, fence, None);
        }
        said
    }

    /// Does something short that no transition of this lock may come between, whoever holds it.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let guard = self.guard(&Cancel::new())?;
        let done = work();
        drop(guard);
        done
    }

    fn as_holder(&self) -> Holder {
        let world = &self.place.world;
        let lasts = |now: Duration| now.saturating_add(self.timeout).as_millis();
        Holder {
            token: format!(
                "{:032x}",
                u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..))
            ),
            owner: world.processes.me(),
            expires_uptime: lasts(world.clock.uptime()).try_into().unwrap_or(u64::MAX),
            expires_wall: world.clock.now().after(self.timeout).as_millis(),
            directory: None,
        }
    }

    /// Touches the directory; answers as what it is known from now on.
    fn touch(&self) -> Result<(u64, u64, u64)> {
        let (fs, path) = (&self.place.world.fs, self.place.path(LOCK_NAME));
        let now = self.place.world.clock.now().to_system_time();
        let touched = fs.touch(&path, now).and_then(|()| fs.stat(&path));
        let found = touched.map_err(|error| storage(&path, "touch", error))?;
        Ok(named(found.id, since_1970(found.modified)))
    }

    /// Until when the lock is held by anybody; `None` when nobody does.
    ///
    /// # Errors
    ///
    /// As [`acquire_within`](EventLock::acquire_within).
    pub fn expires(&self) -> Result<Option<SystemTime>> {
        match self.look(&self.guard(&Cancel::new())?)? {
            Look::Free => Ok(None),
            Look::Taken { expires, .. } => Ok(Some(expires)),
        }
    }

    /// As [`expires`](EventLock::expires) in seconds since 1970, as its original says it: 0 when nobody holds the lock.
    ///
    /// # Errors
    ///
    /// As [`acquire_within`](EventLock::acquire_within).
    pub fn expiration(&self) -> Result<f64> {
        let expires = self.expires()?;
        Ok(expires.map_or(0.0, |at| since_1970(at).as_secs_f64()))
    }

    /// Who holds the lock; `None` when nobody does. Of a holder that is dead the lock is free to be taken.
    ///
    /// # Errors
    ///
    /// As [`acquire_within`](EventLock::acquire_within).
    ///
    /// # Examples
    ///
    /// ```
    /// use towpath_coord::{EventLock, Network, Place, World};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
    /// let mut lock = EventLock::new(place);
    /// assert_eq!(lock.holder()?, None);
    /// assert!(lock.acquire(false, false)?);
    /// let holder = lock.holder()?.expect("we do");
    /// assert_eq!(holder.owner.expect("it is known").pid, std::process::id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn holder(&self) -> Result<Option<LockHolder>> {
        if self.directory()?.is_none() {
            // Who only looks leaves no guard file behind.
            return Ok(None);
        }
        let guard = self.guard(&Cancel::new())?;
        let Some(found) = self.directory()? else {
            return Ok(None);
        };
        let (expires, is_over) = match self.look(&guard)? {
            Look::Taken {
                expires, is_over, ..
            } => (expires, is_over),
            Look::Free => (self.foreign_expiry(found.modified).0, true),
        };
        let holder = guard.record.holder.as_ref();
        let ours = |holder: &&Holder| holder.directory.is_none() || is_of(holder, &found);
        let owner = holder.filter(ours).map(|holder| holder.owner.clone());
        Ok(Some(LockHolder {
            life: owner.as_ref().map_or(Life::Unknown, |owner| {
                self.place.world.processes.life(owner)
            }),
            fence: owner.is_some().then_some(guard.record.fence),
            owner,
            expires,
            is_over,
        }))
    }

    /// Has the lock last its full time from now on. To be called well before it is over, at a third of it.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] when this value holds no lock or the directory is gone, [`Kind::LeaseLost`] when the lock is
    /// somebody else's by now, or was taken away, [`Kind::TimedOut`] when somebody is in the midst of a transition and
    /// does not go on; nothing is touched then. [`Kind::Storage`] when it cannot be written.
    pub fn renew(&mut self) -> Result<()> {
        let mut guard = self.guard(&Cancel::new())?;
        let held = self.check(&guard)?;
        let directory = self.touch()?;
        let holder = Holder {
            token: held.token,
            directory: Some(directory),
            ..self.as_holder()
        };
        guard.write(&self.place, held.fence, Some(holder))
    }

    /// Gives the lock up; answers whether it was held. One that is somebody else's by now is left alone.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`] when the directory cannot be removed: somebody has put something into it. [`Kind::NotFound`] when
    /// the event directory is gone, [`Kind::TimedOut`] when somebody is in the midst of a transition and does not go on.
    pub fn release(&mut self) -> Result<bool> {
        let mut guard = self.guard(&Cancel::new())?;
        let checked = self.check(&guard);
        match checked {
            Ok(held) => {
                self.remove_directory()?;
                guard.write(&self.place, held.fence, None)?;
                self.held = None;
                Ok(true)
            }
            Err(error) if [Kind::NotFound, Kind::LeaseLost].contains(&error.kind()) => {
                self.held = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the lock away from whoever holds it; answers whether anybody did. For people: the holder learns of it when it
    /// renews or publishes.
    ///
    /// # Errors
    ///
    /// As [`release`](EventLock::release).
    pub fn force_release(&mut self) -> Result<bool> {
        let mut guard = self.guard(&Cancel::new())?;
        let was_held = matches!(self.look(&guard)?, Look::Taken { .. });
        self.remove_directory()?;
        let fence = guard.record.fence;
        guard.write(&self.place, fence, None)?;
        Ok(was_held)
    }

    /// How long it lasts that is not renewed.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The number of this taking: larger than that of any before it. `None` when this value holds no lock.
    pub fn fence(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.fence)
    }

    /// Does something that only the holder may do, such as to give a file its name. Nobody can take the lock meanwhile,
    /// so it is to be short.
    ///
    /// # Errors
    ///
    /// [`Kind::LeaseLost`], [`Kind::NotFound`] and [`Kind::TimedOut`] as [`renew`](EventLock::renew), and then it is not
    /// done; else what `work` says.
    pub fn publish<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let guard = self.guard(&Cancel::new())?;
        self.check(&guard)?;
        let done = work();
        drop(guard);
        done
    }

    fn guard(&self, cancel: &Cancel) -> Result<Guard> {
        let clock = &*self.place.world.clock;
        let patience = Patience::new(Wait::For(TRANSITION), clock, cancel);
        Guard::enter(&self.place, GUARD_NAME, &patience)
    }

    fn is_current(&self) -> Result<bool> {
        let guard = self.guard(&Cancel::new())?;
        Ok(self.check(&guard).is_ok())
    }

    /// Our taking, if it is the one that counts.
    fn check(&self, guard: &Guard) -> Result<Held> {
        let Some(held) = self.held.clone() else {
            let text = format!("the lock of {} is not held here", self.shown());
            return Err(Error::new(Kind::NotFound, text));
        };
        let holder = guard.record.holder.as_ref();
        let ours = holder.filter(|holder| holder.token == held.token);
        let is_there = match ours {
            Some(holder) => self.directory()?.is_some_and(|found| is_of(holder, &found)),
            None => false,
        };
        if is_there {
            return Ok(held);
        }
        let text = format!(
            "the lock of {} was lost: its time was over, or it was taken away",
            self.shown()
        );
        Err(Error::new(Kind::LeaseLost, text))
    }

    fn look(&self, guard: &Guard) -> Result<Look> {
        let (world, found) = (&self.place.world, self.directory()?);
        let Some(found) = found else {
            return Ok(Look::Free);
        };
        let holder = guard
            .record
            .holder
            .as_ref()
            .filter(|holder| is_of(holder, &found));
        let Some(holder) = holder else {
            // Whoever died between his record and the end of his taking has left a directory that is not yet in it.
            let unfinished = guard
                .record
                .holder
                .as_ref()
                .filter(|holder| holder.directory.is_none());
            if unfinished.is_some_and(|holder| world.processes.life(&holder.owner) == Life::Dead) {
                return Ok(Look::Free);
            }
            let (expires, is_over) = self.foreign_expiry(found.modified);
            return Ok(Look::Taken {
                expires,
                is_over,
                owner: None,
            });
        };
        let expires = towpath_core::Timestamp::from_millis(holder.expires_wall);
        let is_of_this_start = holder.owner.is_of_the_start_of(&world.processes.me());
        let is_over = match is_of_this_start {
            true => world.clock.uptime().as_millis() >= u128::from(holder.expires_uptime),
            false => world.clock.now() >= expires,
        };
        if world.processes.life(&holder.owner) == Life::Dead {
            return Ok(Look::Free);
        }
        let expires = expires.to_system_time();
        Ok(Look::Taken {
            expires,
            is_over,
            owner: Some(holder.owner.clone()),
        })
    }

    /// When a directory may be taken that nobody here has made, and whether that is past. One of a time to come was made
    /// under a clock that was set back since.
    fn foreign_expiry(&self, modified: SystemTime) -> (SystemTime, bool) {
        let now = self.place.world.clock.now().to_system_time();
        let expires = modified.checked_add(self.timeout).unwrap_or(modified);
        let is_of_the_future = modified
            .duration_since(now)
            .is_ok_and(|ahead| ahead > self.timeout);
        (expires, expires <= now || is_of_the_future)
    }

    /// The directory that stands for the lock.
    fn directory(&self) -> Result<Option<Stat>> {
        let path = self.place.path(LOCK_NAME);
        match self.place.world.fs.stat(&path) {
            Ok(found) if found.sort == Sort::Directory => Ok(Some(found)),
            Ok(_) => {
                let text = format!("{} is no directory, and no lock of ours", path.display());
                Err(Error::new(Kind::Storage, text))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(&path, "look at", error)),
        }
    }

    fn remove_directory(&self) -> Result<()> {
        let path = self.place.path(LOCK_NAME);
        match self.place.world.fs.remove_dir(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(storage(&path, "remove", error))
            }
            _ => Ok(()),
        }
    }

    fn shown(&self) -> std::path::Display<'_> {
        self.place.directory().display()
    }
}

impl Drop for EventLock {
    /// Gives the lock up. What cannot be given up ends with its time.
    fn drop(&mut self) {
        if self.held.is_some()
            && let Err(error) = self.release()
        {
            tracing::warn!(%error, "a lock stays until its time is over");
        }
    }
}

/// Whether a holder's directory is the one that is there, untouched by others.
fn is_of(holder: &Holder, found: &Stat) -> bool {
    holder.directory == Some(named(found.id, since_1970(found.modified)))
}

/// Whether it is the same directory, untouched by others.
fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.id, one.modified) == (other.id, other.modified)
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
