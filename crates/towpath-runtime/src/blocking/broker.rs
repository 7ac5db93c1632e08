//! The verbs of a producer and an operator.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::store::{
    Cursor, LockRecord, QueueRecord, Revoked, Section, StateCounts, Update, Window, WorkerRecord,
};
use towpath_core::{Draft, LockName, MessageId, QueueName, Result, Store};

use super::bridge::Bridge;
use super::{Channel, Kv, Lock, ResultPool, Results, Statuses};

/// Submits messages and changes them, without async code: [`crate::Broker`] for plain threads.
///
/// Cloning is cheap, and clones share one background thread, as do the [`Results`] and [`Statuses`]
/// made from them. Every method fails as the async one does, and with
/// [`Kind::Unsupported`](towpath_core::Kind::Unsupported) on a thread of an async runtime.
#[derive(Debug, Clone)]
pub struct Broker {
    inner: crate::Broker,
    bridge: Bridge,
}

impl From<crate::Broker> for Broker {
    fn from(inner: crate::Broker) -> Self {
        Self {
            inner,
            bridge: Bridge::default(),
        }
    }
}

impl Broker {
    /// Makes a broker on `store`, for a program that only produces. An app's own is
    /// `Broker::from(app.broker())`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        crate::Broker::new(store).into()
    }

    /// Returns the async broker below: what the handles of tasks submit to.
    pub fn inner(&self) -> &crate::Broker {
        &self.inner
    }

    /// Runs anything of the async API to its end, such as a submit to a task, or a
    /// [`Bulk`](crate::Bulk) verb.
    ///
    /// ```
    /// use towpath_runtime::{Context, TaskError, TaskSettings, from_fn};
    /// use towpath_runtime::blocking::Broker;
    /// # use std::sync::Arc;
    /// # use towpath_core::SystemClock;
    /// # use towpath_stores::MemoryStore;
    /// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
    /// let greet = from_fn(TaskSettings::new("greet"), |name: String, _: Context| async move {
    ///     Ok::<_, TaskError>(format!("Hello, {name}!"))
    /// });
    /// let submit = broker.inner().submit_to(&greet, "Ada".to_owned()).priority(5);
    /// let submitted = broker.wait(submit)?;
    /// assert_eq!(broker.get(submitted.id())?.unwrap().priority, 5);
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What it says itself.
    pub fn wait<T>(&self, call: impl IntoFuture<Output = Result<T>>) -> Result<T> {
        self.run(call.into_future())
    }

    /// Lets submits wait that long for a store that is out of reach: see [`crate::Broker::with_patience`].
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self {
            inner: self.inner.with_patience(patience),
            bridge: self.bridge,
        }
    }

    fn run<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.bridge.run(call)
    }

    /// Submits a draft. When it returns, the store has the message at the durability its URL asks
    /// for.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::submit`].
    pub fn submit(&self, draft: Draft) -> Result<MessageId> {
        self.run(self.inner.submit(draft))
    }

    /// Submits many drafts in as few steps as the store allows; one answer each, in order.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::submit_many`].
    pub fn submit_many(&self, drafts: Vec<Draft>) -> Result<Vec<Result<MessageId>>> {
        self.run(self.inner.submit_many(drafts))
    }

    /// Returns all that the store knows of a message; `None` when it knows nothing of it.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::get`].
    pub fn get(&self, id: MessageId) -> Result<Option<Record>> {
        self.run(self.inner.get(id))
    }

    /// Tells whether the store knows a message, in any state.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::exists`].
    pub fn exists(&self, id: MessageId) -> Result<bool> {
        self.run(self.inner.exists(id))
    }

    /// Changes a message that waits: its priority, time, metadata or payload.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::update`].
    pub fn update(&self, id: MessageId, update: Update) -> Result<()> {
        self.run(self.inner.update(id, update))
    }

    /// Calls a message off; `skip_running` leaves it alone while it runs.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::revoke`].
    pub fn revoke(&self, id: MessageId, skip_running: bool) -> Result<Revoked> {
        self.run(self.inner.revoke(id, skip_running))
    }

    /// Puts a dead letter back, ready at once, its retries unspent.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::requeue`].
    pub fn requeue(&self, id: MessageId) -> Result<()> {
        self.run(self.inner.requeue(id))
    }

    /// Submits a finished message once more, as a new message with `replay_of` set.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::replay`].
    pub fn replay(&self, id: MessageId) -> Result<MessageId> {
        self.run(self.inner.replay(id))
    }

    /// Deletes a message with its result.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::remove`].
    pub fn remove(&self, id: MessageId) -> Result<()> {
        self.run(self.inner.remove(id))
    }

    /// Returns a window of at most 500 messages of one section of the store.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::list`].
    pub fn list(&self, section: Section, after: Option<Cursor>, limit: usize) -> Result<Window> {
        self.run(self.inner.list(section, after, limit))
    }

    /// Counts the messages in each state; at most two seconds old.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::counts`].
    pub fn counts(&self) -> Result<StateCounts> {
        self.run(self.inner.counts())
    }

    /// Returns the queues that hold anything; at most two seconds old.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::queues`].
    pub fn queues(&self) -> Result<Vec<QueueRecord>> {
        self.run(self.inner.queues())
    }

    /// Returns the workers that the store knows.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::workers`].
    pub fn workers(&self) -> Result<Vec<WorkerRecord>> {
        self.run(self.inner.workers())
    }

    /// Stops handing out the messages of a queue. Answers whether it was not paused before.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::pause`].
    pub fn pause(&self, queue: QueueName) -> Result<bool> {
        self.run(self.inner.pause(queue))
    }

    /// Hands out the messages of a queue again. Answers whether it was paused.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::resume`].
    pub fn resume(&self, queue: QueueName) -> Result<bool> {
        self.run(self.inner.resume(queue))
    }

    /// Names a lock: what one owner at a time may do, wherever it runs.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::lock`].
    pub fn lock(&self, name: impl AsRef<str>) -> Result<Lock> {
        Ok(Lock::new(self.inner.lock(name)?, self.bridge.clone()))
    }

    /// Returns the locks that are held, by name, those after `after`, at most `max` and 500.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::locks`].
    pub fn locks(&self, after: Option<LockName>, max: usize) -> Result<Vec<LockRecord>> {
        self.run(self.inner.locks(after, max))
    }

    /// Names a bucket of values.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::kv`].
    pub fn kv(&self, bucket: impl AsRef<str>) -> Result<Kv> {
        Ok(Kv::new(self.inner.kv(bucket)?, self.bridge.clone()))
    }

    /// Names a channel.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::channel`].
    pub fn channel(&self, name: impl AsRef<str>) -> Result<Channel> {
        Ok(Channel::new(self.inner.channel(name)?, self.bridge.clone()))
    }

    /// Reads results and waits for them.
    pub fn results(&self) -> Results {
        Results::new(self.inner.results(), self.bridge.clone())
    }

    /// Collects the results of many messages, in their order or as they complete.
    ///
    /// # Errors
    ///
    /// As [`crate::Broker::result_pool`].
    pub fn result_pool(&self, ids: Vec<MessageId>) -> Result<ResultPool> {
        Ok(ResultPool::new(
            self.inner.result_pool(ids)?,
            self.bridge.clone(),
        ))
    }

    /// Reads statuses and waits for them.
    pub fn statuses(&self) -> Statuses {
        Statuses::new(self.inner.statuses(), self.bridge.clone())
    }
}
