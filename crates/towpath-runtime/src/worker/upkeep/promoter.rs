//! Makes scheduled messages ready when their time has come.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::{Topic, Watch};
use towpath_core::{Result, limits};

use super::Upkeep;
use crate::app::Shared;

pub(super) struct Promoter(pub(super) Arc<Shared>);

impl Upkeep for Promoter {
    const NAME: &'static str = "promoting";

    async fn run_once(&mut self) -> Result<Duration> {
        let promoted = self.0.store.promote(limits::UPKEEP_ROWS).await?;
        self.0.metrics.promoted(promoted.moved as u64);
        // Covers a wake-up that was lost with its process, and a wall clock that was set.
        let longest = super::looks_every(&self.0);
        let Some(next_due) = promoted.next_due else {
            return Ok(longest);
        };
        let wait = next_due.since(self.0.store.now().await?);
        // The loop spreads its waits by a fifth either way; a quarter more is never too early twice.
        Ok(wait
            .min(longest)
            .mul_f64(1.25)
            .max(Duration::from_millis(1)))
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(self.0.store.watch(Topic::Schedule))
    }
}
