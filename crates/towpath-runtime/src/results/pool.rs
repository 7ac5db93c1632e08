//! The results of many messages, as a stream.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use serde::de::DeserializeOwned;
use towpath_core::{Error, MessageId, Result};

use super::Results;
use super::collector::{Collector, Order};
use super::verbs::Access;
use crate::app::Shared;
use crate::unfold::Unfold;

/// The results of many messages: in the given order, or as they complete.
///
/// Made by [`Broker::result_pool`](crate::Broker::result_pool). Every message gives one item, and
/// the stream ends when each has given its own. A message that has no result to give (failed,
/// revoked, unknown, pruned, taken) ends its item with the error that [`Results::get`] would
/// answer; nothing is waited for without end.
///
/// ```
/// use std::time::Duration;
/// use towpath_runtime::Broker;
/// # use std::sync::Arc;
/// # use towpath_core::{Draft, Kind, MessageId, Payload, SystemClock, TaskName};
/// # use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
/// let broker = Broker::new(store);
/// let waiting = broker.submit(Draft::new(TaskName::new("add")?, Payload::json("[1, 2]"))).await?;
/// let unknown = MessageId::new();
///
/// let pool = broker.result_pool(vec![waiting, unknown])?.timeout(Duration::ZERO);
/// let mut results = pool.as_completed::<i64>();
/// let mut kinds = Vec::new();
/// while let Some((id, result)) = results.next().await {
///     kinds.push((id, result.unwrap_err().kind()));
/// }
/// assert_eq!(kinds, [(unknown, Kind::NotFound), (waiting, Kind::TimedOut)]);
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a pool reads nothing before one of its streams is polled"]
pub struct ResultPool {
    results: Results,
    ids: Vec<MessageId>,
    access: Access,
    timeout: Duration,
}

impl ResultPool {
    pub(crate) fn new(shared: Arc<Shared>, ids: Vec<MessageId>) -> Result<Self> {
        let mut seen = HashSet::with_capacity(ids.len());
        if let Some(twice) = ids.iter().find(|id| !seen.insert(**id)) {
            return Err(Error::invalid(format!(
                "message {twice} stands twice in the pool of results"
            )));
        }
        Ok(Self {
            results: Results::new(shared),
            ids,
            access: Access::Keep,
            timeout: Duration::MAX,
        })
    }

    /// Deletes each result from the store in the moment in which it is given, as [`Results::take`]
    /// does. Results that were not given yet when the stream is dropped stay in the store.
    ///
    /// By default results are kept. Taking costs one step of the store per result.
    pub fn take_results(self) -> Self {
        Self {
            access: Access::Take,
            ..self
        }
    }

    /// Lets the whole stream take that long, from the moment in which it is made. Every message
    /// that has not ended by then ends its item with
    /// [`Kind::TimedOut`](towpath_core::Kind::TimedOut).
    ///
    /// By default there is no bound: the stream waits for every message that the store knows.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Gives the results in the order in which the ids were given.
    ///
    /// One message that takes long holds back those behind it; what is read ahead for them is
    /// bounded.
    pub fn in_order<T: DeserializeOwned + Send + 'static>(&self) -> ResultStream<T> {
        self.stream(Order::Given)
    }

    /// Gives the results as they complete.
    ///
    /// Messages that completed between two looks at the store come in the given order.
    pub fn as_completed<T: DeserializeOwned + Send + 'static>(&self) -> ResultStream<T> {
        self.stream(Order::Completed)
    }

    fn stream<T: DeserializeOwned + Send + 'static>(&self, order: Order) -> ResultStream<T> {
        ResultStream(Unfold::new(Collector::new(
            self.results.clone(),
            self.ids.clone(),
            self.access,
            order,
            self.timeout,
        )))
    }
}

/// The results of a [`ResultPool`], each with the id of its message.
///
/// Use [`next`](ResultStream::next), or the combinators that any crate has for a
/// [`Stream`](futures_core::Stream).
///
/// A store that is out of reach for a moment is asked again; when it fails for good, every message
/// that is still outstanding ends its item with that error.
#[must_use = "a stream does nothing unless polled"]
pub struct ResultStream<T: DeserializeOwned + Send + 'static>(Unfold<Collector<T>>);

impl<T: DeserializeOwned + Send + 'static> ResultStream<T> {
    /// Returns the next result; `None` when every message has given its own.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item: the next call gives it.
    pub async fn next(&mut self) -> Option<(MessageId, Result<T>)> {
        self.0.next().await
    }

    /// Ends the next item with `error`, without asking the store.
    pub(crate) fn abandon_next(&mut self, error: &Error) -> Option<(MessageId, Result<T>)> {
        self.0.idle_mut()?.abandon_next(error)
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for ResultStream<T> {
    type Item = (MessageId, Result<T>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next(cx)
    }
}

impl<T: DeserializeOwned + Send + 'static> fmt::Debug for ResultStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResultStream").field(&self.0).finish()
    }
}
