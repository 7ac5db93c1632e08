//! One message at a time through submit, claim and settle, with the time of each claim.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towpath_core::store::{
    Claim, Selection, Settle, SettleRequest, StoredResult, Verdict, WorkerCard,
};
use towpath_core::{
    Draft, Error, IncarnationId, Kind, Payload, QueueName, Store, TaskName, Timestamp,
};

use super::tasks;
use crate::exit::Result;

/// Behind the messages that no worker knows.
pub(super) const PRIORITY: u32 = 10;
/// Longer than any round takes: nobody renews this lease.
const LEASE: Duration = Duration::from_secs(3_600);

pub(super) struct Claims {
    store: Arc<dyn Store>,
    incarnation: IncarnationId,
    task: TaskName,
    selection: Arc<Selection>,
}

impl Claims {
    pub(super) async fn on(store: Arc<dyn Store>) -> Result<Self> {
        let task = TaskName::new(tasks::NOTHING)?;
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
            task,
            selection,
        })
    }

    /// Submits a message, claims it and settles it; answers how many milliseconds the claim took.
    pub(super) async fn one(&self) -> Result<f64> {
        let mut draft = Draft::new(self.task.clone(), Payload::json("\"x\""));
        draft.priority = PRIORITY;
        for answer in self.store.submit(vec![draft]).await? {
            answer?;
        }
        let began = Instant::now();
        let claimed = self
            .store
            .claim(Claim {
                incarnation: self.incarnation,
                max: 1,
                selection: self.selection.clone(),
                turn: 0,
            })
            .await?;
        let took = began.elapsed();
        let Some(message) = claimed.first() else {
            let text = "a claim was handed nothing although a message was ready";
            return Err(Error::new(Kind::Storage, text).into());
        };
        let settle = Settle {
            token: message.token(),
            started_at: Some(Timestamp::from_millis(1)),
            verdict: Verdict::Done {
                result: StoredResult::None,
                callbacks: Vec::new(),
            },
        };
        let request = SettleRequest {
            incarnation: self.incarnation,
            items: vec![settle],
            claim: None,
        };
        for answer in self.store.settle(request).await?.items {
            answer?;
        }
        Ok(took.as_secs_f64() * 1e3)
    }

    pub(super) async fn many(&self, count: usize) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            times.push(self.one().await?);
        }
        Ok(times)
    }
}
