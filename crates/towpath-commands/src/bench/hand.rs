//! A worker by hand: the verbs of a store without a runtime around them.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::{
    Claim, Selection, Settle, SettleRequest, Settled, StoredResult, Verdict, WorkerCard,
};
use towpath_core::{IncarnationId, Message, QueueName, Result, Store, TaskName, Timestamp};

/// Longer than any round takes: nobody renews this lease.
const LEASE: Duration = Duration::from_secs(3_600);

pub(super) struct Hand {
    pub(super) store: Arc<dyn Store>,
    incarnation: IncarnationId,
    selection: Arc<Selection>,
}

impl Hand {
    /// One that claims messages of `task` in the default queue.
    pub(super) async fn join(store: Arc<dyn Store>, task: &TaskName) -> Result<Self> {
        let incarnation = IncarnationId::new();
        let card = WorkerCard {
            incarnation,
            name: "bench".to_owned(),
            listens: QueueName::default().to_string(),
            tasks: vec![task.clone()],
        };
        store.join(card, LEASE).await?;
        let selection = Arc::new(Selection::Queues {
            queues: vec![QueueName::default()],
            tasks: vec![task.clone()],
        });
        Ok(Self {
            store,
            incarnation,
            selection,
        })
    }

    fn claim_of(&self, max: usize) -> Claim {
        Claim {
            incarnation: self.incarnation,
            max,
            enough: max,
            selection: self.selection.clone(),
            turn: 0,
        }
    }

    pub(super) async fn claim(&self, max: usize) -> Result<Vec<Message>> {
        self.store.claim(self.claim_of(max)).await
    }

    /// Settles these as succeeded and, unless `max` is 0, claims that many more in the same step.
    pub(super) async fn exchange(
        &self,
        held: &[Message],
        result: &StoredResult,
        max: usize,
    ) -> Result<Vec<Message>> {
        let succeeded = |message: &Message| Settle {
            token: message.token(),
            started_at: Some(Timestamp::from_millis(1)),
            verdict: Verdict::Done {
                result: result.clone(),
                callbacks: Vec::new(),
            },
            unlock: Vec::new(),
        };
        let request = SettleRequest {
            incarnation: self.incarnation,
            items: held.iter().map(succeeded).collect(),
            claim: (max > 0).then(|| self.claim_of(max)),
        };
        let Settled { items, claimed } = self.store.settle(request).await?;
        items.into_iter().collect::<Result<()>>()?;
        Ok(claimed)
    }
}
