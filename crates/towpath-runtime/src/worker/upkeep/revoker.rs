//! Calls off attempts whose message was revoked, or is no longer held.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::Result;
use towpath_core::store::{Standing, Topic, Watch};

use super::Upkeep;
use crate::cancel::CancelReason;
use crate::worker::pool::Pool;
use crate::worker::tenancy::Tenancy;

/// How often to look when nobody rings.
const FALLBACK: Duration = Duration::from_millis(2_500);

pub(super) struct Revoker {
    pub(super) tenancy: Arc<Tenancy>,
    pub(super) pools: Vec<Arc<Pool>>,
}

impl Upkeep for Revoker {
    const NAME: &'static str = "looking for revoked messages";

    async fn run_once(&mut self) -> Result<Duration> {
        let tenure = self.tenancy.current();
        let mut tokens = tenure.tokens();
        tokens.extend(
            self.pools
                .iter()
                .flat_map(|pool| pool.inbox.tokens(&tenure)),
        );
        if tokens.is_empty() || tenure.is_lost() {
            return Ok(FALLBACK);
        }
        let store = &self.tenancy.shared().store;
        let standing = store.standing(tenure.id, tokens.clone()).await?;
        for (token, standing) in tokens.into_iter().zip(standing) {
            let reason = match standing {
                Standing::Held => continue,
                Standing::Revoked => CancelReason::Revoked,
                Standing::Lost => CancelReason::LeaseLost,
            };
            tenure.cancel(token, reason);
            for pool in &self.pools {
                let out = pool.inbox.drain(|waiting| waiting.message.token() == token);
                pool.let_go(out.iter().map(|claimed| claimed.message.token()));
            }
        }
        Ok(FALLBACK)
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(self.tenancy.shared().store.watch(Topic::Revocation))
    }
}
