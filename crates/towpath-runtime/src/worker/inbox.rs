//! Messages that were claimed and wait for a slot.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use towpath_core::{Message, Token};

use super::tenure::Tenure;

/// A message and the incarnation that claimed it.
pub(crate) struct Claimed {
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) message: Message,
}

/// Messages that were claimed and wait for a slot, in order.
pub(crate) struct Inbox {
    /// Held for one push or pop.
    queue: Mutex<VecDeque<Claimed>>,
    /// One permit per message; closed when no more will come.
    filled: Semaphore,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            filled: Semaphore::new(0),
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Claimed>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, claimed: impl IntoIterator<Item = Claimed>) {
        let mut queue = self.queue();
        let before = queue.len();
        queue.extend(claimed);
        let added = queue.len() - before;
        drop(queue);
        self.filled.add_permits(added);
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.queue().len()
    }

    /// The next message; `None` once the inbox is closed and empty.
    pub(crate) async fn pop(&self) -> Option<Claimed> {
        loop {
            match self.filled.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_closed) => return self.queue().pop_front(),
            }
            // A message that was taken out by `drain` may leave its permit behind.
            if let Some(claimed) = self.queue().pop_front() {
                return Some(claimed);
            }
        }
    }

    /// Takes out every message that `unwanted` names.
    pub(crate) fn drain(&self, mut unwanted: impl FnMut(&Claimed) -> bool) -> Vec<Claimed> {
        let mut queue = self.queue();
        let (out, kept) = std::mem::take(&mut *queue)
            .into_iter()
            .partition(|claimed| unwanted(claimed));
        *queue = kept;
        Vec::from(out)
    }

    /// The tokens of the messages that wait, claimed by `tenure`.
    pub(crate) fn tokens(&self, tenure: &Tenure) -> Vec<Token> {
        let queue = self.queue();
        queue
            .iter()
            .filter(|c| c.tenure.id == tenure.id)
            .map(|c| c.message.token())
            .collect()
    }

    /// No more will come: slots end when it is empty.
    pub(crate) fn close(&self) {
        self.filled.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use towpath_core::life::Counters;
    use towpath_core::{Draft, IncarnationId, Payload, SystemClock, TaskName, Timestamp};

    fn claimed(task: &str) -> Claimed {
        let clock = Arc::new(SystemClock::new());
        let tenure = Tenure::new(IncarnationId::new(), Duration::from_secs(10), clock);
        let message = Message {
            draft: Draft::new(TaskName::new(task).unwrap(), Payload::json("[]")),
            counters: Counters::default(),
            submitted_at: Timestamp::default(),
            saved: None,
        };
        Claimed {
            tenure: Arc::new(tenure),
            message,
        }
    }

    #[tokio::test]
    async fn messages_come_out_in_order_and_drained_ones_do_not() {
        let inbox = Inbox::new();
        inbox.push(["a", "b", "c"].map(claimed));
        let out = inbox.drain(|claimed| claimed.message.task.as_str() == "b");
        assert_eq!(out.len(), 1);
        assert_eq!(inbox.pop().await.unwrap().message.task.as_str(), "a");
        assert_eq!(inbox.pop().await.unwrap().message.task.as_str(), "c");
        inbox.close();
        assert!(inbox.pop().await.is_none());
    }
}
