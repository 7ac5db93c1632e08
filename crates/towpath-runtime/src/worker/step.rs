//! One step of the store: what it settles, what it asks for, what came of it.

use std::sync::Arc;

use towpath_core::store::{Claim, Settle, SettleRequest, Settled};
use towpath_core::{Error, IncarnationId};

use super::finished::Following;
use super::tenure::Tenure;
use crate::app::Shared;

/// A step under way.
pub(super) struct Step {
    /// What is settled was claimed under it, and so is what is claimed.
    pub(super) tenure: Arc<Tenure>,
    /// Where it claims: fewer messages than that were all there are.
    pub(super) enough: Option<usize>,
    /// What follows each end, in order.
    pub(super) afters: Vec<Following>,
}

/// What a store answers to a step; with an error what was not settled.
pub(super) type Answer = Result<Settled, (Error, Vec<Settle>)>;

/// A step that has ended.
pub(super) struct Done {
    pub(super) step: Step,
    pub(super) answer: Answer,
}

/// Settles and claims.
pub(super) async fn exchange(
    shared: &Shared,
    incarnation: IncarnationId,
    items: Vec<Settle>,
    claim: Option<Claim>,
) -> Answer {
    shared.metrics.exchanges(1);
    if items.is_empty()
        && let Some(claim) = claim
    {
        let claimed = shared.store.claim(claim).await;
        return Ok(Settled {
            items: Vec::new(),
            claimed: claimed.map_err(|error| (error, Vec::new()))?,
        });
    }
    // Kept for a second try; payloads are shared, not copied.
    let kept = items.clone();
    let request = SettleRequest {
        incarnation,
        items,
        claim,
    };
    let settled = shared.store.settle(request).await;
    settled.map_err(|error| (error, kept))
}
