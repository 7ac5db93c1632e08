//! Deletes finished messages whose retention has ended.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::{Result, limits};

use super::Upkeep;
use crate::app::Shared;

pub(super) struct Pruner(pub(super) Arc<Shared>);

impl Upkeep for Pruner {
    const NAME: &'static str = "pruning";

    async fn run_once(&mut self) -> Result<Duration> {
        let pruned = self.0.store.prune(limits::UPKEEP_ROWS).await?;
        self.0.metrics.pruned(pruned.removed as u64);
        // Between two full batches others get the store for ten times as long as a batch takes.
        Ok(if pruned.more {
            Duration::from_millis(50)
        } else {
            Duration::from_secs(15)
        })
    }
}
