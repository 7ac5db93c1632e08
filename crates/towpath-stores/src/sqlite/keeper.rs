//! The keeper of leases: a connection of its own for the heartbeat thread, so that nothing a worker
//! does can keep its lease from being renewed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{OptionalExtension, TransactionBehavior, params};
use towpath_core::store::{Extend, LeaseKeeper, LockToken};
use towpath_core::{Clock, Error, Result, StoreUrl, limits};

use super::columns::millis;
use super::connection::{self, Opened, Role};
use super::error::{Fallible, Fault};
use super::footing::Footing;
use super::location::Location;
use super::lock;
use super::statement::statement;
use super::store::closed;
use super::tx::no_lease;

pub(super) struct Keeper {
    url: StoreUrl,
    location: Location,
    clock: Arc<dyn Clock>,
    /// Set once the store was closed.
    closed: Arc<AtomicBool>,
    opened: Opened,
    footing: Footing,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    pub(super) fn open(
        url: &StoreUrl,
        location: &Location,
        clock: Arc<dyn Clock>,
        closed: Arc<AtomicBool>,
    ) -> Result<Self> {
        Ok(Self {
            opened: connection::open(url, location, Role::Keeper)?,
            location: location.clone(),
            url: url.clone(),
            clock,
            closed,
            footing: Footing::default(),
        })
    }

    /// Opens the file anew where another has taken its place.
    fn look_to_footing(&mut self) -> Result<()> {
        if self.footing.is_replaced(&self.location.file) {
            self.opened = connection::open(&self.url, &self.location, Role::Keeper)?;
            self.footing = Footing::default();
        }
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed(&self.url));
        }
        Ok(())
    }

    fn renew_locks(
        &mut self,
        renewals: &[(LockToken, Option<Duration>)],
    ) -> Fallible<Vec<Result<()>>> {
        self.look_to_footing()?;
        let ns = self.opened.ns;
        let tx = self
            .opened
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = tx.pragma_query_value(None, "data_version", |row| row.get(0))?;
        self.footing.check_schema(&tx, version)?;
        let answers = lock::renew(&tx, ns, &*self.clock, renewals)?;
        self.footing.check_place(&tx, &self.location.file)?;
        tx.commit()?;
        Ok(answers)
    }

    fn renew_lease(&mut self, extend: &Extend<'_>) -> Fallible<()> {
        self.look_to_footing()?;
        let ns = self.opened.ns;
        let boot = self.clock.boot();
        let tx = self
            .opened
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = tx.pragma_query_value(None, "data_version", |row| row.get(0))?;
        self.footing.check_schema(&tx, version)?;
        let worker: Option<i64> = tx
            .prepare_cached(statement!("worker_alive"))?
            .query_row((extend.incarnation.as_bytes(), ns), |row| row.get(0))
            .optional()?;
        let Some(worker) = worker else {
            return Err(no_lease(extend.incarnation).into());
        };
        // Read only now: what matters is when the lease is written, not when we began to wait for it.
        let ends = millis(self.clock.uptime().saturating_add(extend.lease));
        tx.prepare_cached("UPDATE lease SET boot = ?2, ends = ?3 WHERE w = ?1")?
            .execute(params![worker, &*boot, ends])?;
        let now = self.clock.now().as_millis();
        let mut note = tx.prepare_cached(statement!("note_start"))?;
        for token in extend.started {
            note.execute(params![worker, token.id.as_bytes(), token.claims, now])?;
        }
        drop(note);
        self.footing.check_place(&tx, &self.location.file)?;
        tx.commit()?;
        Ok(())
    }
}

impl LeaseKeeper for Keeper {
    fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        self.check_open()?;
        let (started, limit) = (extend.started.len(), limits::STARTED_PER_HEARTBEAT);
        if started > limit {
            return Err(Error::invalid(format!(
                "a heartbeat with {started} started attempts, the limit is {limit}"
            )));
        }
        self.renew_lease(&extend)
            .map_err(|fault: Fault| fault.into_error(&self.location.file))
    }

    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>> {
        self.check_open()?;
        self.renew_locks(renewals)
            .map_err(|fault: Fault| fault.into_error(&self.location.file))
    }
}
