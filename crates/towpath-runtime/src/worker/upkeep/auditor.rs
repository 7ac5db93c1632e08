//! Checks the store's records against its structures, a window at a time, and mends them.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::Cursor;
use towpath_core::{Error, Kind, Result, limits};

use super::Upkeep;
use crate::app::Shared;

pub(super) struct Auditor {
    shared: Arc<Shared>,
    every: Duration,
    at: Option<Cursor>,
    /// A worker that has just started has better things to do.
    rested: bool,
}

impl Auditor {
    pub(super) fn new(shared: Arc<Shared>, every: Duration) -> Self {
        Self {
            shared,
            every,
            at: None,
            rested: false,
        }
    }
}

impl Upkeep for Auditor {
    const NAME: &'static str = "auditing";

    async fn run_once(&mut self) -> Result<Duration> {
        if !std::mem::replace(&mut self.rested, true) {
            return Ok(self.every);
        }
        let audit = self
            .shared
            .store
            .audit(self.at.take(), limits::UPKEEP_ROWS)
            .await?;
        for finding in &audit.mended {
            let text = format!("mended {}: {}", finding.about, finding.problem);
            self.shared.report(&Error::new(Kind::Storage, text));
        }
        self.at = audit.next;
        Ok(if self.at.is_some() {
            Duration::from_millis(100)
        } else {
            self.every
        })
    }
}
