//! Reading results, one message at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use towpath_core::store::{Brief, ResultRead};
use towpath_core::{MessageId, Payload, Result, Timestamp};

use super::ending::{Found, ending, has_ended, timed_out, unknown};
use crate::app::Shared;
use crate::waiter::Waiter;

/// Reads the results of messages and waits for them.
///
/// Made by [`Broker::results`](crate::Broker::results). Cloning is cheap. [`get`](Results::get)
/// leaves a result in the store for other readers until its retention ends; [`take`](Results::take)
/// deletes it. For the results of many messages use a [`ResultPool`](crate::ResultPool), which
/// reads many in one step.
///
/// Every wait is woken by the store when the message ends. A store that is out of reach for a
/// moment is asked again while there is time.
///
/// ```
/// use std::time::Duration;
/// use towpath_runtime::Broker;
/// # use std::sync::Arc;
/// # use towpath_core::{Draft, Kind, Payload, SystemClock, TaskName};
/// # use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// let broker = Broker::new(store);
/// let id = broker.submit(Draft::new(TaskName::new("add")?, Payload::json("[1, 2]"))).await?;
///
/// // No worker runs here, so there is no result yet.
/// let error = broker.results().get::<i64>(id, Duration::ZERO).await.unwrap_err();
/// assert_eq!(error.kind(), Kind::TimedOut);
/// assert_eq!(error.to_string(), format!("message {id} has not ended: it is SUBMITTED"));
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Results {
    shared: Arc<Shared>,
}

/// A result, whose it is, and since when it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultMeta<T> {
    /// The result.
    pub value: T,
    /// The message that gave it.
    pub id: MessageId,
    /// When the message succeeded, on the store's clock.
    pub finished_at: Timestamp,
}

impl Results {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Waits for the result of a message, and leaves it in the store.
    ///
    /// A `timeout` of zero looks once; [`Duration::MAX`] waits as long as the store knows the
    /// message. A task that gives nothing, or keeps no result, reads as `()` or as `None`.
    ///
    /// # Errors
    ///
    /// * [`Kind::TimedOut`](towpath_core::Kind::TimedOut): the message has not ended; the text
    ///   names its status.
    /// * [`Kind::NotFound`](towpath_core::Kind::NotFound): the store does not know the message, or
    ///   its result was taken.
    /// * [`Kind::Failed`](towpath_core::Kind::Failed): it is a dead letter. The
    ///   [source](std::error::Error::source) is the [`AttemptError`](towpath_core::AttemptError) of
    ///   its last attempt, if it had one.
    /// * [`Kind::Revoked`](towpath_core::Kind::Revoked): it was called off.
    /// * [`Kind::ResultTooLarge`](towpath_core::Kind::ResultTooLarge): it succeeded, and its result
    ///   was over the limit.
    /// * [`Kind::Codec`](towpath_core::Kind::Codec): the result is not a `T`, or its codec is not
    ///   registered.
    /// * What the store says.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn get<T: DeserializeOwned>(&self, id: MessageId, timeout: Duration) -> Result<T> {
        Ok(self.get_with_meta(id, timeout).await?.value)
    }

    /// As [`get`](Results::get), with the time at which the message succeeded.
    ///
    /// # Errors
    ///
    /// As [`get`](Results::get).
    pub async fn get_with_meta<T: DeserializeOwned>(
        &self,
        id: MessageId,
        timeout: Duration,
    ) -> Result<ResultMeta<T>> {
        let found = self.wait(id, &mut self.waiter(timeout)).await?;
        self.decode(id, &found)
    }

    /// As [`get`](Results::get), without decoding: for results of a type that is not known here.
    ///
    /// # Errors
    ///
    /// As [`get`](Results::get), except for `Codec`.
    pub async fn get_payload(&self, id: MessageId, timeout: Duration) -> Result<Payload> {
        Ok(self.wait(id, &mut self.waiter(timeout)).await?.payload)
    }

    /// Waits for the result of a message, and deletes it from the store.
    ///
    /// Of two takers one gets the result, the other
    /// [`Kind::NotFound`](towpath_core::Kind::NotFound). The record of the message stays. A result
    /// that is not a `T` is not taken.
    ///
    /// # Errors
    ///
    /// As [`get`](Results::get).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future while it waits loses nothing. Dropping it in the moment in which the
    /// result is deleted loses the result: keep what must not be lost, and
    /// [`remove`](Results::remove) it when it has been dealt with.
    pub async fn take<T: DeserializeOwned>(&self, id: MessageId, timeout: Duration) -> Result<T> {
        Ok(self.take_with_meta(id, timeout).await?.value)
    }

    /// As [`take`](Results::take), with the time at which the message succeeded.
    ///
    /// # Errors
    ///
    /// As [`get`](Results::get).
    pub async fn take_with_meta<T: DeserializeOwned>(
        &self,
        id: MessageId,
        timeout: Duration,
    ) -> Result<ResultMeta<T>> {
        let found = self.wait(id, &mut self.waiter(timeout)).await?;
        let result = self.decode(id, &found)?;
        self.delete(id).await?;
        Ok(result)
    }

    /// As [`take`](Results::take), without decoding.
    ///
    /// # Errors
    ///
    /// As [`get`](Results::get), except for `Codec`.
    pub async fn take_payload(&self, id: MessageId, timeout: Duration) -> Result<Payload> {
        let found = self.wait(id, &mut self.waiter(timeout)).await?;
        self.delete(id).await?;
        Ok(found.payload)
    }

    /// Waits for the results of a message and of its whole chain of callbacks, and leaves them in
    /// the store. They come in the order in which the messages succeeded.
    ///
    /// `timeout` is for all of them together. For chains whose messages give different types take
    /// [`serde_json::Value`] for `T`.
    ///
    /// # Errors
    ///
    /// As [`get`](Results::get), for the first message of the chain that has no result: what
    /// follows a failed message was never submitted.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub async fn descendants<T: DeserializeOwned>(
        &self,
        id: MessageId,
        timeout: Duration,
    ) -> Result<Vec<ResultMeta<T>>> {
        let mut waiter = self.waiter(timeout);
        let record = self.shared.store.get(vec![id]).await?.pop().flatten();
        let chain = record.ok_or_else(|| unknown(id))?.descendants();
        let mut results = Vec::with_capacity(1 + chain.len());
        // One after the other: a callback is known to the store once the message before it
        // succeeded.
        for id in std::iter::once(id).chain(chain) {
            let found = self.wait(id, &mut waiter).await?;
            results.push(self.decode(id, &found)?);
        }
        results.sort_by_key(|result| result.finished_at);
        Ok(results)
    }

    /// Tells whether the result of a message is there to be read.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn exists(&self, id: MessageId) -> Result<bool> {
        Ok(matches!(
            self.read(id, Access::Keep).await?,
            ResultRead::Value { .. }
        ))
    }

    /// Deletes the result of a message, unread; answers whether there was one. The record of the
    /// message stays: [`Broker::remove`](crate::Broker::remove) deletes both.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn remove(&self, id: MessageId) -> Result<bool> {
        Ok(matches!(
            self.read(id, Access::Take).await?,
            ResultRead::Value { .. }
        ))
    }

    fn waiter(&self, timeout: Duration) -> Waiter {
        Waiter::new(&*self.shared.store, timeout)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until the message has ended.
    async fn wait(&self, id: MessageId, waiter: &mut Waiter) -> Result<Found> {
        loop {
            let read = waiter.look(self.read(id, Access::Keep)).await?;
            if let Some(ending) = read.and_then(|read| self.ending(id, read)) {
                return ending;
            }
            if waiter.is_late() {
                let brief = self.shared.store.brief(vec![id]).await?.pop();
                let brief = brief.unwrap_or(Brief::UNKNOWN);
                if !has_ended(brief) {
                    return Err(timed_out(id, brief.status, waiter.timeout()));
                }
                // It has ended since it was looked at.
                continue;
            }
            waiter.changed().await;
        }
    }

    /// Deletes a result that was read: the moment in which one of several takers gets it.
    pub(super) async fn delete(&self, id: MessageId) -> Result<()> {
        let read = self.read(id, Access::Take).await?;
        // One that waits again was removed, and its id submitted anew.
        self.ending(id, read)
            .unwrap_or_else(|| Err(unknown(id)))
            .map(drop)
    }

    async fn read(&self, id: MessageId, access: Access) -> Result<ResultRead> {
        let mut reads = self
            .shared
            .store
            .results(vec![id], access == Access::Take)
            .await?;
        Ok(reads.pop().unwrap_or(ResultRead::Unknown))
    }

    pub(super) fn ending(&self, id: MessageId, read: ResultRead) -> Option<Result<Found>> {
        ending(id, read, self.shared.limits.result_bytes)
    }

    pub(super) fn decode<T: DeserializeOwned>(
        &self,
        id: MessageId,
        found: &Found,
    ) -> Result<ResultMeta<T>> {
        let value = self.shared.codecs.decode(&found.payload);
        let value = value.map_err(|e| e.about(format_args!("result of message {id}")))?;
        Ok(ResultMeta {
            value,
            id,
            finished_at: found.finished_at,
        })
    }
}

/// Whether a result that is read stays in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Keep,
    Take,
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results")
            .field("store", &self.shared.store)
            .finish_non_exhaustive()
    }
}
