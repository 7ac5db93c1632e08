//! Runs what is ready here and now, one message after the other: no threads, no heartbeat.
//!
//! For tests and for programs that want to work off a queue and end. Every attempt goes through the
//! same steps as in a worker.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::{Claim, Selection, SettleRequest};
use towpath_core::{Message, Result, limits};

use super::finished::{After, End, Finished, Hook};
use super::pool::Pool;
use super::shutdown::Phases;
use super::tenancy::join;
use super::tenure::Tenure;
use super::threads::{SlotThread, Threads};
use crate::app::Shared;

/// Long enough that no test outlives it.
const LEASE: Duration = Duration::from_secs(60 * 60);

/// Promotes what is due and runs everything ready, until nothing is left; answers how many attempts
/// ran, at most `max`.
pub(crate) async fn run_ready(shared: Arc<Shared>, max: usize) -> Result<usize> {
    super::clean_up::orphans(&shared).await?;
    let tasks = shared
        .registry
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let selection = Arc::new(Selection::Any { tasks });
    let tenure = Arc::new(join(&shared, "inline", LEASE).await?);
    let mechanism = towpath_core::Mechanism::Async;
    let (pool, _) = Pool::new(shared.clone(), mechanism, 1, Phases::new());
    let mut thread = SlotThread::new(Threads::new(1));
    let mut ran = 0;
    while ran < max {
        while shared.store.promote(limits::UPKEEP_ROWS).await?.moved == limits::UPKEEP_ROWS {}
        let (incarnation, selection) = (tenure.id, selection.clone());
        let claim = Claim {
            incarnation,
            max: 1,
            enough: 1,
            selection,
            turn: ran as u64,
        };
        let Some(message) = shared.store.claim(claim).await?.pop() else {
            break;
        };
        run_one(&shared, &pool, &tenure, message, &mut thread).await?;
        ran += 1;
    }
    shared.store.leave(tenure.id).await?;
    Ok(ran)
}

async fn run_one(
    shared: &Arc<Shared>,
    pool: &Pool,
    tenure: &Arc<Tenure>,
    message: Message,
    thread: &mut SlotThread,
) -> Result<()> {
    let claimed = super::inbox::Claimed {
        tenure: tenure.clone(),
        message,
    };
    let Finished { end, links, .. } = pool.run(claimed, thread).await;
    let (settle, after) = match end {
        End::Settle(settle, after) => (settle, after),
        End::Revoked(hooks) => {
            hooks.run(Hook::Revocation, shared.clone()).await;
            return Ok(());
        }
        End::LeaseLost => return Ok(()),
    };
    let request = SettleRequest {
        incarnation: tenure.id,
        items: vec![settle],
        claim: None,
    };
    let settled = shared.store.settle(request).await?;
    settled.items.into_iter().collect::<Result<()>>()?;
    links.settled();
    after.count(&shared.metrics);
    if let After::Hook(hooks, hook) = after {
        hooks.run(hook, shared.clone()).await;
    }
    Ok(())
}
