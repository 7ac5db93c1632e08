//! The keeper of leases: a thread and a connection of its own for the heartbeat, so that nothing a worker
//! does can keep its lease from being renewed.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::{Extend, LeaseKeeper, LockToken};
use towpath_core::{Error, IncarnationId, Result, Token, limits};
use uuid::Uuid;

use super::columns::{Columns, millis, uuid};
use super::driver::{Bounds, Driver};
use super::error::Fallible;
use super::lock;
use super::store::Shared;
use super::tx::{Tx, no_lease};

/// One connection; and a heartbeat that is not heard of for so long is told as such, while there is time for
/// another within the lease.
const BOUNDS: Bounds = Bounds {
    connections: 1,
    patience: Duration::from_secs(3),
};

#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    driver: Driver,
}

impl Keeper {
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self> {
        Ok(Self {
            driver: Driver::start(shared, "towpath-lease", BOUNDS)?,
            shared: shared.clone(),
        })
    }
}

impl LeaseKeeper for Keeper {
    fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        self.shared.check_open()?;
        let (started, limit) = (extend.started.len(), limits::STARTED_PER_HEARTBEAT);
        if started > limit {
            return Err(Error::invalid(format!(
                "a heartbeat with {started} started attempts, the limit is {limit}"
            )));
        }
        let incarnation = extend.incarnation;
        let lease = millis(extend.lease.min(limits::LONGEST));
        let started: Vec<Token> = extend.started.to_vec();
        let renew = async move |tx: &Tx<'_>| renew_lease(tx, incarnation, lease, &started).await;
        self.driver
            .run_blocking(renew)
            .unwrap_or_else(|| Err(self.shared.gone()))
    }

    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>> {
        self.shared.check_open()?;
        let renewals = renewals.to_vec();
        let renew = async move |tx: &Tx<'_>| lock::renew(tx, &renewals).await;
        self.driver
            .run_blocking(renew)
            .unwrap_or_else(|| Err(self.shared.gone()))
    }
}

async fn renew_lease(
    tx: &Tx<'_>,
    who: IncarnationId,
    lease: i64,
    started: &[Token],
) -> Fallible<()> {
    let ids: Vec<Uuid> = started.iter().map(|token| uuid(token.id)).collect();
    let claims: Vec<i64> = started.iter().map(|token| token.claims.into()).collect();
    let row = tx
        .query_one(
            "SELECT extend_lease($1, $2, $3, $4, $5, $6) AS alive",
            &[
                &tx.now(),
                &tx.uptime(),
                &Uuid::from_bytes(*who.as_bytes()),
                &lease,
                &ids,
                &claims,
            ],
        )
        .await?;
    if Columns(&row).flag("alive")? {
        return Ok(());
    }
    Err(no_lease(who).into())
}
