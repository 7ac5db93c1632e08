//! Fails messages that waited beyond their expiry.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::{Result, limits};

use super::Upkeep;
use crate::app::Shared;

pub(super) struct Expirer(pub(super) Arc<Shared>);

impl Upkeep for Expirer {
    const NAME: &'static str = "expiring";

    async fn run_once(&mut self) -> Result<Duration> {
        let expired = self.0.store.expire(limits::UPKEEP_ROWS).await?;
        self.0.metrics.failed(expired as u64);
        let more = expired >= limits::UPKEEP_ROWS;
        // No message starts after its expiry in any case; this only makes it known.
        Ok(if more {
            Duration::from_millis(5)
        } else {
            super::looks_every(&self.0)
        })
    }
}
