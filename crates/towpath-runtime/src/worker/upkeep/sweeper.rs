//! Runs the deferred functions that workers leave which die while this one lives.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::Result;

use super::Upkeep;
use crate::app::Shared;
use crate::worker::clean_up;

/// Nobody rings for a death.
const EVERY: Duration = Duration::from_secs(3);

pub(super) struct Sweeper(pub(super) Arc<Shared>);

impl Upkeep for Sweeper {
    const NAME: &'static str = "sweeping";

    async fn run_once(&mut self) -> Result<Duration> {
        clean_up::orphans(&self.0).await?;
        Ok(EVERY)
    }
}
