//! One message at a time through submit, claim and settle, with the time of each claim.

use std::sync::Arc;
use std::time::Instant;

use towpath_core::store::StoredResult;
use towpath_core::{Draft, Error, Kind, Payload, Store, TaskName};

use super::hand::Hand;
use super::tasks;
use crate::exit::Result;

/// Behind the messages that no worker knows.
pub(super) const PRIORITY: u32 = 10;

pub(super) struct Claims {
    hand: Hand,
    task: TaskName,
}

impl Claims {
    pub(super) async fn on(store: Arc<dyn Store>) -> Result<Self> {
        let task = TaskName::new(tasks::NOTHING)?;
        let hand = Hand::join(store, &task).await?;
        Ok(Self { hand, task })
    }

    /// Submits a message, claims it and settles it; answers how many milliseconds the claim took.
    pub(super) async fn one(&self) -> Result<f64> {
        let mut draft = Draft::new(self.task.clone(), Payload::json("\"x\""));
        draft.priority = PRIORITY;
        for answer in self.hand.store.submit(vec![draft]).await? {
            answer?;
        }
        let began = Instant::now();
        let claimed = self.hand.claim(1).await?;
        let took = began.elapsed();
        if claimed.is_empty() {
            let text = "a claim was handed nothing although a message was ready";
            return Err(Error::new(Kind::Storage, text).into());
        }
        self.hand.exchange(&claimed, &StoredResult::None, 0).await?;
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
