//! A worker as the cases play it: it joins, claims, settles and beats when the case says so.

use std::sync::Arc;

use towpath_core::store::{
    Claim, Extend, LeaseKeeper, Note, Selection, Settle, SettleRequest, Settled, Verdict,
};
use towpath_core::{IncarnationId, Message, Result, Store, Timestamp, Token, limits};

use super::words::{card, only};

/// When every attempt says that it started: the clocks of workers are nobody's affair here.
const STARTED_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A worker of a case: an incarnation with its lease.
pub struct Worker {
    /// The store it works for.
    pub store: Arc<dyn Store>,
    /// Its one life.
    pub incarnation: IncarnationId,
}

impl Worker {
    /// Makes a fresh incarnation known to `store`, with the usual lease.
    pub async fn join(store: Arc<dyn Store>) -> Self {
        let incarnation = IncarnationId::new();
        store.join(card(incarnation), limits::LEASE).await.unwrap();
        Self { store, incarnation }
    }

    /// What this worker asks for when it wants `max` of `selection`.
    pub fn wish(&self, max: usize, selection: Selection) -> Claim {
        Claim {
            incarnation: self.incarnation,
            max,
            enough: max,
            selection: Arc::new(selection),
            turn: 0,
        }
    }

    /// Claims; the claim must be granted.
    pub async fn claim(&self, max: usize, selection: Selection) -> Vec<Message> {
        self.try_claim(max, selection).await.unwrap()
    }

    /// Claims, and may be refused.
    pub async fn try_claim(&self, max: usize, selection: Selection) -> Result<Vec<Message>> {
        self.store.claim(self.wish(max, selection)).await
    }

    /// Claims the next message of task `t` in the default queue; there must be one.
    pub async fn claim_one(&self) -> Message {
        let mut messages = self.claim(1, only("t")).await;
        messages.pop().expect("a message of task `t` is ready")
    }

    /// Settles one attempt, started now.
    pub async fn settle(&self, token: Token, verdict: Verdict) -> Result<()> {
        let mut settled = self.settle_all([(token, verdict)]).await;
        settled.items.remove(0)
    }

    /// Settles one attempt as it is said.
    pub async fn settle_with(&self, item: Settle) -> Result<()> {
        let request = SettleRequest {
            incarnation: self.incarnation,
            items: vec![item],
            claim: None,
        };
        self.store.settle(request).await?.items.remove(0)
    }

    /// Settles several attempts in one call.
    pub async fn settle_all(&self, items: impl IntoIterator<Item = (Token, Verdict)>) -> Settled {
        self.settle_and_claim(items, None).await
    }

    /// Settles, and claims in the same step.
    pub async fn settle_and_claim(
        &self,
        items: impl IntoIterator<Item = (Token, Verdict)>,
        claim: Option<Claim>,
    ) -> Settled {
        let settle = |(token, verdict)| Settle {
            token,
            started_at: Some(STARTED_AT),
            verdict,
            unlock: Vec::new(),
        };
        let request = SettleRequest {
            incarnation: self.incarnation,
            items: items.into_iter().map(settle).collect(),
            claim,
        };
        self.store.settle(request).await.unwrap()
    }

    /// Leaves a note with a message.
    pub async fn note(&self, token: Token, note: Note) -> Result<()> {
        self.store.note(self.incarnation, token, note).await
    }

    /// One heartbeat, with the attempts that have started.
    pub fn beat(&self, started: &[Token]) -> Result<()> {
        let mut keeper = self.keeper();
        keeper.extend(Extend {
            incarnation: self.incarnation,
            lease: limits::LEASE,
            started,
        })
    }

    /// The way of its heartbeat.
    pub fn keeper(&self) -> Box<dyn LeaseKeeper> {
        self.store.lease_keeper().unwrap()
    }
}
