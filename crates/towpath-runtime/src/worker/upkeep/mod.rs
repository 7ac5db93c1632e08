//! What every worker does for the store beside its own messages.
//!
//! Each loop has the same shape: one bounded `run_once` that says how long to wait, a wait that a
//! wake-up can cut short, an end with the worker. Any worker may run any of them at any time; the
//! store's verbs are atomic, so two that meet share the work.

mod auditor;
mod expirer;
mod promoter;
mod pruner;
mod rescuer;
mod revoker;
mod sweeper;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::Result;
use towpath_core::store::Watch;

use super::pool::Pool;
use super::shutdown::{Phase, Phases};
use super::tenancy::Tenancy;
use crate::app::Shared;

/// What may be chosen of the upkeep.
#[derive(Debug, Clone)]
pub(crate) struct UpkeepConfig {
    pub(crate) audit_every: Option<Duration>,
}

impl Default for UpkeepConfig {
    fn default() -> Self {
        Self {
            audit_every: Some(Duration::from_secs(60 * 60)),
        }
    }
}

/// How long a loop that found nothing to do rests: a second, or longer where a look costs a server something and
/// the store says that this will do.
fn looks_every(shared: &Shared) -> Duration {
    let fallback = shared.store.capabilities().fallback_poll;
    fallback.max(Duration::from_secs(1))
}

/// One loop of upkeep.
trait Upkeep: Send + 'static {
    const NAME: &'static str;

    /// One bounded step; answers how long to wait before the next.
    fn run_once(&mut self) -> impl Future<Output = Result<Duration>> + Send;

    /// What cuts the wait short.
    fn watch(&self) -> Option<Box<dyn Watch>> {
        None
    }
}

/// Starts every loop; they end when the worker stops.
pub(super) fn start(
    tenancy: &Arc<Tenancy>,
    pools: &[Arc<Pool>],
    phases: &Phases,
    config: &UpkeepConfig,
) -> JoinSet<()> {
    let shared = tenancy.shared().clone();
    let mut loops = JoinSet::new();
    loops.spawn(run(
        promoter::Promoter(shared.clone()),
        shared.clone(),
        phases.clone(),
    ));
    loops.spawn(run(
        rescuer::Rescuer(shared.clone()),
        shared.clone(),
        phases.clone(),
    ));
    loops.spawn(run(
        expirer::Expirer(shared.clone()),
        shared.clone(),
        phases.clone(),
    ));
    loops.spawn(run(
        pruner::Pruner::new(shared.clone()),
        shared.clone(),
        phases.clone(),
    ));
    let revoker = revoker::Revoker {
        tenancy: tenancy.clone(),
        pools: pools.to_vec(),
    };
    loops.spawn(run(revoker, shared.clone(), phases.clone()));
    if shared.scopes.is_some() {
        loops.spawn(run(
            sweeper::Sweeper(shared.clone()),
            shared.clone(),
            phases.clone(),
        ));
    }
    if let Some(every) = config.audit_every {
        loops.spawn(run(
            auditor::Auditor::new(shared.clone(), every),
            shared,
            phases.clone(),
        ));
    }
    loops
}

async fn run<U: Upkeep>(mut upkeep: U, shared: Arc<Shared>, phases: Phases) {
    let mut watch = upkeep.watch();
    let mut failures = 0u32;
    loop {
        let wait = tokio::select! {
            done = upkeep.run_once() => match done {
                Ok(wait) => {
                    failures = 0;
                    wait
                }
                Err(error) => {
                    shared.report(&error.about(U::NAME));
                    failures = (failures + 1).min(10);
                    Duration::from_millis(50) * 2u32.pow(failures)
                }
            },
            () = phases.reached(Phase::Stopping) => return,
        };
        // Spread, so that a fleet that started together does not knock together for ever.
        let wait = wait.mul_f64(0.8 + 0.4 * fastrand::f64());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = woken(watch.as_deref_mut()) => {}
            () = phases.reached(Phase::Stopping) => return,
        }
    }
}

async fn woken(watch: Option<&mut (dyn Watch + 'static)>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}
