//! Locks: taken, renewed, released.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use towpath_core::limits::{self, LOCK_BATCH};
use towpath_core::name::{LockName, LockOwner};
use towpath_core::store::{LockRecord, LockRequest, LockToken, Locked, Topic};
use towpath_core::{Error, Kind, Result, Timestamp};

use super::step::Step;

/// The locks that are held, and some whose time has run out.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: BTreeMap<LockName, Lock>,
    /// Those that end by themselves, by that time on the boot clock.
    ending: BTreeSet<(Duration, LockName)>,
    last_fence: u64,
}

impl Locks {
    fn put(&mut self, name: LockName, lock: Lock) {
        self.remove(&name);
        if let Some(ends) = lock.ends {
            self.ending.insert((ends, name.clone()));
        }
        self.held.insert(name, lock);
    }

    fn remove(&mut self, name: &LockName) -> Option<Lock> {
        let lock = self.held.remove(name)?;
        if let Some(ends) = lock.ends {
            self.ending.remove(&(ends, name.clone()));
        }
        Some(lock)
    }

    /// Forgets two of those whose time has run out, so that they do not become ever more.
    fn sweep(&mut self, uptime: Duration) {
        for _ in 0..2 {
            let Some((ends, name)) = self.ending.first().cloned() else {
                return;
            };
            if ends > uptime {
                return;
            }
            self.remove(&name);
        }
    }
}

#[derive(Debug)]
struct Lock {
    owner: LockOwner,
    fence: u64,
    taken_at: Timestamp,
    /// On the boot clock.
    ends: Option<Duration>,
}

impl Lock {
    fn holds(&self, uptime: Duration) -> bool {
        self.ends.is_none_or(|ends| ends > uptime)
    }
}

impl Step<'_> {
    pub(super) fn lock(&mut self, request: LockRequest) -> Locked {
        if let Some(record) = self.holder(&request.name) {
            return Locked::Held(record);
        }
        self.table.locks.sweep(self.uptime);
        self.table.locks.last_fence += 1;
        let fence = self.table.locks.last_fence;
        let lock = Lock {
            owner: request.owner,
            fence,
            taken_at: self.now,
            ends: self.lock_ends(request.ttl),
        };
        self.table.locks.put(request.name.clone(), lock);
        Locked::Taken(LockToken {
            name: request.name,
            fence,
        })
    }

    fn lock_ends(&self, ttl: Option<Duration>) -> Option<Duration> {
        ttl.map(|ttl| self.uptime.saturating_add(ttl))
    }

    pub(super) fn renew(
        &mut self,
        renewals: &[(LockToken, Option<Duration>)],
    ) -> Result<Vec<Result<()>>> {
        limits::check_batch("locks", renewals.len(), LOCK_BATCH)?;
        let mut renew = |(token, ttl): &(LockToken, Option<Duration>)| {
            if !self.is_lock_held(token) {
                return Err(lock_lost(token));
            }
            let ends = self.lock_ends(*ttl);
            if let Some(lock) = self.table.locks.remove(&token.name) {
                self.table
                    .locks
                    .put(token.name.clone(), Lock { ends, ..lock });
            }
            Ok(())
        };
        Ok(renewals.iter().map(&mut renew).collect())
    }

    fn is_lock_held(&self, token: &LockToken) -> bool {
        let lock = self.table.locks.held.get(&token.name);
        lock.is_some_and(|lock| lock.fence == token.fence && lock.holds(self.uptime))
    }

    pub(super) fn unlock(&mut self, tokens: &[LockToken]) -> Result<Vec<bool>> {
        limits::check_batch("locks", tokens.len(), LOCK_BATCH)?;
        Ok(self.unlock_linked(tokens))
    }

    /// Releases the locks that end with an attempt.
    pub(super) fn unlock_linked(&mut self, tokens: &[LockToken]) -> Vec<bool> {
        let mut unlock = |token: &LockToken| {
            let held = self.is_lock_held(token);
            if held {
                self.table.locks.remove(&token.name);
                self.rings.add(Topic::Unlock);
            }
            held
        };
        tokens.iter().map(&mut unlock).collect()
    }

    pub(super) fn seize(&mut self, names: &[LockName]) -> Result<Vec<Option<LockRecord>>> {
        limits::check_batch("locks", names.len(), LOCK_BATCH)?;
        let mut seize = |name: &LockName| {
            let holder = self.holder(name)?;
            self.table.locks.remove(name);
            self.rings.add(Topic::Unlock);
            Some(holder)
        };
        Ok(names.iter().map(&mut seize).collect())
    }

    pub(super) fn holders(&self, names: &[LockName]) -> Result<Vec<Option<LockRecord>>> {
        limits::check_batch("locks", names.len(), LOCK_BATCH)?;
        Ok(names.iter().map(|name| self.holder(name)).collect())
    }

    fn holder(&self, name: &LockName) -> Option<LockRecord> {
        let lock = self.table.locks.held.get(name)?;
        lock.holds(self.uptime).then(|| self.record_of(name, lock))
    }

    fn record_of(&self, name: &LockName, lock: &Lock) -> LockRecord {
        LockRecord {
            name: name.clone(),
            owner: lock.owner.clone(),
            fence: lock.fence,
            taken_at: lock.taken_at,
            left: lock.ends.map(|ends| ends.saturating_sub(self.uptime)),
        }
    }

    pub(super) fn list_locks(&self, after: Option<LockName>, max: usize) -> Vec<LockRecord> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let locks = self.table.locks.held.range((from, Bound::Unbounded));
        locks
            .filter(|(_, lock)| lock.holds(self.uptime))
            .map(|(name, lock)| self.record_of(name, lock))
            .take(max.min(limits::WINDOW))
            .collect()
    }
}

fn lock_lost(token: &LockToken) -> Error {
    let LockToken { name, fence } = token;
    let text = format!("lock {name:?} is not held any more under its number {fence}");
    Error::new(Kind::LeaseLost, text)
}
