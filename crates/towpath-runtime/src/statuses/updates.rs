//! Every change of one message, as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde_json::Value;
use towpath_core::store::Brief;
use towpath_core::{MessageId, Result, Status, Store};

use crate::unfold::{Step, Unfold};
use crate::waiter::Waiter;

/// How a message stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusUpdate {
    /// The message.
    pub id: MessageId,
    /// Its status.
    pub status: Status,
    /// How often it was claimed. (claims, status) grows from update to update.
    pub claims: u32,
    /// What its handler last said of its progress.
    pub details: Option<Value>,
}

impl StatusUpdate {
    fn rank(&self) -> (u32, Status) {
        (self.claims, self.status)
    }
}

/// The updates of one message, made by [`Statuses::listen`](crate::Statuses::listen).
///
/// The first tells how the message stands now. Those that follow are ordered by (claims, status)
/// and never go back: two listeners agree on the order of what both have seen, and a requeued
/// message is heard of again when it is claimed. Between two looks at the store a status or details
/// may be passed over; the last ones never are.
///
/// An error of the store ends the stream, unless it is of the moment: then the store is asked
/// again.
///
/// ```
/// # use std::sync::Arc;
/// # use towpath_core::{Draft, MessageId, Payload, Status, SystemClock, TaskName};
/// # use towpath_runtime::Broker;
/// # use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// # let id = broker.submit(Draft::new(TaskName::new("add")?, Payload::json("[1, 2]"))).await?;
/// let mut updates = broker.statuses().listen(id, true);
/// broker.revoke(id, false).await?;
/// let mut seen = Vec::new();
/// while let Some(update) = updates.next().await {
///     seen.push(update?.status);
/// }
/// assert_eq!(seen, [Status::Revoked]); // The present status first, and here it is the last.
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a stream does nothing unless polled"]
pub struct Updates(Unfold<Listener>);

impl Updates {
    pub(super) fn new(store: Arc<dyn Store>, id: MessageId, until_terminal: bool) -> Self {
        Self(Unfold::new(Listener {
            waiter: Waiter::new(&*store, Duration::MAX),
            store,
            id,
            until_terminal,
            seen: None,
            told: None,
            ended: false,
        }))
    }

    /// Returns the next update; `None` when there will be no other.
    ///
    /// # Errors
    ///
    /// What the store says; nothing follows it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no update: the next call gives it.
    pub async fn next(&mut self) -> Option<Result<StatusUpdate>> {
        self.0.next().await
    }
}

impl Stream for Updates {
    type Item = Result<StatusUpdate>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}

struct Listener {
    store: Arc<dyn Store>,
    id: MessageId,
    until_terminal: bool,
    waiter: Waiter,
    /// The brief at the last look; while it stays the same, the record is not read.
    seen: Option<Brief>,
    told: Option<StatusUpdate>,
    /// Nothing follows what was told.
    ended: bool,
}

impl Step for Listener {
    type Item = Result<StatusUpdate>;

    async fn step(&mut self) -> Option<Result<StatusUpdate>> {
        while !self.ended {
            match self.look().await {
                Ok(Some(update)) => {
                    self.ended = self.is_last(update.status);
                    self.told = Some(update.clone());
                    return Some(Ok(update));
                }
                Ok(None) => self.waiter.changed().await,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Listener {
    fn is_last(&self, status: Status) -> bool {
        status == Status::Unknown || (self.until_terminal && status.is_terminal())
    }

    /// How the message stands, if that is news.
    async fn look(&mut self) -> Result<Option<StatusUpdate>> {
        let Some(briefs) = self.waiter.look(self.store.brief(vec![self.id])).await? else {
            return Ok(None);
        };
        let brief = briefs.first().copied().unwrap_or(Brief::UNKNOWN);
        if self.seen == Some(brief) {
            return Ok(None);
        }
        let Some(records) = self.waiter.look(self.store.get(vec![self.id])).await? else {
            return Ok(None);
        };
        self.seen = Some(brief);
        // Told is what the record says: it may be newer than the brief, and then the next brief is
        // no news.
        let update = match records.into_iter().next().flatten() {
            Some(record) => StatusUpdate {
                id: self.id,
                status: record.status(),
                claims: record.counters.claims,
                details: record.details,
            },
            None => {
                let claims = self.told.as_ref().map_or(0, |told| told.claims);
                StatusUpdate {
                    id: self.id,
                    status: Status::Unknown,
                    claims,
                    details: None,
                }
            }
        };
        Ok(self.is_news(&update).then_some(update))
    }

    fn is_news(&self, update: &StatusUpdate) -> bool {
        let Some(told) = &self.told else {
            return true;
        };
        update.status == Status::Unknown
            || update.rank() > told.rank()
            || (update.rank() == told.rank() && update.details != told.details)
    }
}
