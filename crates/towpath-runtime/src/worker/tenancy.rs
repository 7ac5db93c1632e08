//! The worker's standing in the store over time: joins, and joins afresh after a lease was lost.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use towpath_core::store::WorkerCard;
use towpath_core::{Error, IncarnationId, Result};

use super::heartbeat::Heartbeat;
use super::shutdown::{Phase, Phases};
use super::tenure::Tenure;
use crate::app::Shared;
use crate::identity::worker_name;

/// The current incarnation of a worker, kept alive by a heartbeat thread.
pub(crate) struct Tenancy {
    shared: Arc<Shared>,
    listens: String,
    pub(crate) lease: Duration,
    pub(crate) beat: Duration,
    /// Read by slots' exchanges and the heartbeat, written only when an incarnation begins; never
    /// held longer than one clone.
    current: RwLock<Arc<Tenure>>,
    renewed: Notify,
}

impl Tenancy {
    /// Joins the store, and starts the heartbeat thread.
    pub(crate) async fn begin(
        shared: Arc<Shared>,
        listens: String,
        lease: Duration,
        beat: Duration,
    ) -> Result<(Arc<Self>, Heartbeat)> {
        let first = join(&shared, &listens, lease).await?;
        let current = RwLock::new(Arc::new(first));
        let tenancy = Arc::new(Self {
            shared,
            listens,
            lease,
            beat,
            current,
            renewed: Notify::new(),
        });
        // Opening the keeper reads files: not on a thread of the runtime.
        let store = tenancy.shared.store.clone();
        let keeper = tokio::task::spawn_blocking(move || store.lease_keeper());
        let keeper = keeper
            .await
            .map_err(|e| Error::new(towpath_core::Kind::Storage, e.to_string()))??;
        let heartbeat = Heartbeat::start(tenancy.clone(), keeper)?;
        Ok((tenancy, heartbeat))
    }

    pub(crate) fn current(&self) -> Arc<Tenure> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until the current incarnation is good: at once, unless it was lost.
    pub(crate) async fn good(&self) -> Arc<Tenure> {
        loop {
            let renewed = self.renewed.notified();
            let current = self.current();
            if !current.is_lost() {
                return current;
            }
            renewed.await;
        }
    }

    /// Begins a fresh incarnation whenever one was lost, until the worker ends.
    pub(crate) async fn keep(self: Arc<Self>, phases: Phases) {
        let mut wait = Duration::from_millis(50);
        loop {
            tokio::select! {
                () = self.lost_one() => {}
                () = phases.reached(Phase::Stopping) => return,
            }
            match join(&self.shared, &self.listens, self.lease).await {
                Ok(fresh) => {
                    tracing::warn!(incarnation = %fresh.id, "the lease was lost; the worker goes on as a fresh incarnation");
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                    self.renewed.notify_waiters();
                    wait = Duration::from_millis(50);
                }
                Err(error) => {
                    self.shared.report(&error.about("joining the store again"));
                    tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64())).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    async fn lost_one(&self) {
        self.current().until_lost().await;
    }

    /// Ends the incarnation: what it still holds goes back to its lines.
    pub(crate) async fn leave(&self) -> Result<()> {
        self.shared.store.leave(self.current().id).await
    }
}

pub(super) async fn join(shared: &Shared, listens: &str, lease: Duration) -> Result<Tenure> {
    let incarnation = IncarnationId::new();
    // The lease is counted from before the call: this side never believes in it longer than the store.
    let tenure = Tenure::new(incarnation, lease, shared.clock.clone());
    let card = WorkerCard {
        incarnation,
        name: worker_name(),
        listens: listens.to_owned(),
        tasks: shared
            .registry
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
    };
    shared.store.join(card, lease).await?;
    Ok(tenure)
}
