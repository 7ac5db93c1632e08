//! Takes messages back from workers that died.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::{Result, limits};

use super::Upkeep;
use crate::app::Shared;

pub(super) struct Rescuer(pub(super) Arc<Shared>);

impl Upkeep for Rescuer {
    const NAME: &'static str = "rescuing";

    async fn run_once(&mut self) -> Result<Duration> {
        let rescued = self.0.store.rescue(limits::UPKEEP_ROWS).await?;
        let messages = rescued.returned + rescued.given_up;
        if rescued.workers > 0 || messages > 0 {
            self.0.metrics.rescued(messages as u64);
            tracing::warn!(
                workers = rescued.workers,
                returned = rescued.returned,
                given_up = rescued.given_up,
                "took messages back from workers that died"
            );
        }
        let more = messages >= limits::UPKEEP_ROWS;
        let every = self.0.store.capabilities().rescue_every;
        Ok(if more {
            Duration::from_millis(1)
        } else {
            every
        })
    }
}
