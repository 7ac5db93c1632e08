//! The verbs of a producer and an operator, one message or many.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::store::{
    Cursor, List, LockRecord, QueueRecord, Revoked, Section, StateCounts, Update, Window,
    WorkerRecord,
};
use towpath_core::{
    BucketName, ChannelName, Codec, Draft, Error, Kind, LockName, MessageId, QueueName, Result,
    Store, limits,
};

use super::{Bulk, Filter, Submit};
use crate::app::{Limits, Shared};
use crate::locks::Lock;
use crate::results::{ResultPool, Results};
use crate::statuses::Statuses;
use crate::task::Task;
use crate::values::{Channel, Kv};

/// Submits messages and changes them.
///
/// An app's own is [`App::broker`](crate::App::broker); a program that only produces makes one from
/// the store. Cloning is cheap, and every method may be called from many tasks at once: submits that
/// meet in the store share its commits.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

impl Broker {
    /// A broker on `store`, for a program that only produces.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            shared: Arc::new(Shared::new(store)),
        }
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Adds a codec of the user's own.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when a codec of that name is already there.
    pub fn with_codec(mut self, codec: impl Codec) -> Result<Self> {
        Arc::make_mut(&mut self.shared)
            .codecs
            .register(Arc::new(codec))?;
        Ok(self)
    }

    /// Replaces the limits on payloads, results and callbacks.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        Arc::make_mut(&mut self.shared).limits = limits;
        self
    }

    /// Lets submits wait for a store that is out of reach: they try again, with growing pauses, for at
    /// most that long. Without it they fail at once with a transient error, for the caller to decide.
    ///
    /// A try whose answer was lost may have been accepted, so an id that is known by then counts as
    /// accepted by this very submit: with ids of your own you are not told of an earlier message.
    ///
    /// ```
    /// use std::time::Duration;
    /// use towpath_runtime::Broker;
    /// # use std::sync::Arc;
    /// # use towpath_core::{Draft, Payload, SystemClock, TaskName};
    /// # use towpath_stores::MemoryStore;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
    /// let broker = Broker::new(store).with_patience(Duration::from_secs(60));
    /// let draft = Draft::new(TaskName::new("greet")?, Payload::json("[]"));
    /// // Returns once the store has it, or after a minute without the store.
    /// broker.submit(draft).await?;
    /// # Ok::<(), towpath_core::Error>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        Arc::make_mut(&mut self.shared).patience = patience;
        self
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// Prepares a message of `task`; awaiting it submits it. What the handle that `#[task]` makes
    /// calls `submit`.
    pub fn submit_to<'a, T: Task>(&'a self, task: &T, args: T::Args) -> Submit<'a, T> {
        Submit::new(self, task, args)
    }

    /// Submits a draft. When it returns, the store has the message at the durability its URL asks
    /// for.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when the draft breaks a limit (nothing was written),
    /// [`Kind::AlreadyExists`] when the store knows the id, [`Kind::Codec`] when the payload's codec
    /// is not registered, and what the store says; a transient error may have been accepted, and
    /// submitting the same draft again then answers `AlreadyExists`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not have submitted the message.
    pub async fn submit(&self, draft: Draft) -> Result<MessageId> {
        let mut answers = self.submit_many(vec![draft]).await?;
        answers.pop().expect("one answer per draft")
    }

    /// Submits many drafts in as few steps as the store allows; one answer each, in order. One bad
    /// draft does not keep the others out.
    ///
    /// # Errors
    ///
    /// Per draft as [`submit`](Broker::submit); as a whole when the store is out of reach: the
    /// drafts of steps before that were accepted.
    pub async fn submit_many(&self, mut drafts: Vec<Draft>) -> Result<Vec<Result<MessageId>>> {
        if let Some(problem) = &self.shared.problem {
            return Err(problem.clone());
        }
        let mut answers: Vec<_> = drafts
            .iter()
            .map(|draft| self.check(draft).map(|()| draft.id))
            .collect();
        let mut sound: std::collections::VecDeque<usize> =
            (0..drafts.len()).filter(|i| answers[*i].is_ok()).collect();
        // In place: nearly always all of them stay.
        let mut at = 0..drafts.len();
        drafts.retain(|_| at.next().is_some_and(|i| answers[i].is_ok()));
        while !drafts.is_empty() {
            let rest = drafts.split_off(drafts.len().min(limits::BATCH));
            let hooks = self.hooked(&drafts);
            let stored = self.accept(std::mem::replace(&mut drafts, rest)).await?;
            let accepted = stored.iter().filter(|answer| answer.is_ok()).count();
            self.shared.metrics.submitted(accepted as u64);
            let mut refused = std::collections::HashSet::new();
            for answer in stored {
                let index = sound
                    .pop_front()
                    .expect("the store answers each draft once");
                if let Err(error) = answer {
                    refused.extend(answers[index].as_ref().ok().copied());
                    answers[index] = Err(error);
                }
            }
            for draft in hooks
                .into_iter()
                .filter(|draft| !refused.contains(&draft.id))
            {
                self.on_submit(&draft).await;
            }
        }
        Ok(answers)
    }

    fn check(&self, draft: &Draft) -> Result<()> {
        let Limits {
            payload_bytes,
            callback_depth,
            ..
        } = self.shared.limits;
        draft.check_with(payload_bytes, callback_depth)?;
        std::iter::successors(Some(draft), |draft| draft.options.callback.as_deref()).try_for_each(
            |draft| {
                self.check_names(draft)
                    .map_err(|e| e.about(draft.summary()))
            },
        )
    }

    /// Whether the codec and the backoff that the draft names are registered.
    fn check_names(&self, draft: &Draft) -> Result<()> {
        self.shared.codecs.get(draft.payload.codec())?;
        match &draft.options.backoff {
            Some(settings) => self.shared.backoffs.build(settings).map(drop),
            None => Ok(()),
        }
    }

    /// Copies of those drafts whose task has a policy here: only for them is a hook to be run.
    fn hooked(&self, drafts: &[Draft]) -> Vec<Draft> {
        let has_policy = |draft: &&Draft| {
            let task = self.shared.registry.get(&draft.task);
            task.is_some_and(|task| task.settings().policy.is_some())
        };
        drafts.iter().filter(has_policy).cloned().collect()
    }

    async fn on_submit(&self, draft: &Draft) {
        let task = self.shared.registry.get(&draft.task);
        let Some(policy) = task.and_then(|task| task.settings().policy.as_ref()) else {
            return;
        };
        crate::task::run_hook(&self.shared, "on_submit", || policy.on_submit(draft)).await;
    }

    /// All that the store knows of a message; `None` when it knows nothing of it.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn get(&self, id: MessageId) -> Result<Option<Record>> {
        Ok(self.shared.store.get(vec![id]).await?.pop().flatten())
    }

    /// Whether the store knows a message, in any state.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn exists(&self, id: MessageId) -> Result<bool> {
        self.statuses().exists(id).await
    }

    /// Changes a message that waits: its priority, time, metadata or payload.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] unless it is scheduled or ready, [`Kind::NotFound`], and
    /// [`Kind::Invalid`] when a new value breaks a limit.
    pub async fn update(&self, id: MessageId, update: Update) -> Result<()> {
        self.check_update(id, &update)?;
        one(self.shared.store.update(vec![(id, update)]).await?)
    }

    fn check_update(&self, id: MessageId, update: &Update) -> Result<()> {
        // Any draft with the new values: the limits are the same.
        let payload = update
            .payload
            .clone()
            .unwrap_or_else(|| towpath_core::Payload::json("[]"));
        let task = towpath_core::TaskName::new("update").expect("a constant name");
        let mut draft = Draft::new(task, payload);
        draft.start = update.start.unwrap_or_default();
        draft.options.metadata = update.metadata.clone().unwrap_or_default();
        draft.id = id;
        self.check(&draft)
    }

    /// Calls a message off: it will not run, or its attempt is dropped. `skip_running` leaves it
    /// alone while it runs.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] when it has ended, or runs and is to be left alone; [`Kind::NotFound`].
    pub async fn revoke(&self, id: MessageId, skip_running: bool) -> Result<Revoked> {
        one(self.shared.store.revoke(vec![id], skip_running).await?)
    }

    /// Puts a dead letter back, ready at once, its retries unspent.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] unless it failed or was revoked; [`Kind::NotFound`].
    pub async fn requeue(&self, id: MessageId) -> Result<()> {
        one(self.shared.store.requeue(vec![id]).await?)
    }

    /// Submits a finished message once more, as a new message with `replay_of` set.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] unless it has ended; [`Kind::NotFound`].
    pub async fn replay(&self, id: MessageId) -> Result<MessageId> {
        let copy = MessageId::new();
        one(self.shared.store.replay(vec![(id, copy)]).await?)?;
        Ok(copy)
    }

    /// Deletes a message with its result.
    ///
    /// # Errors
    ///
    /// [`Kind::WrongState`] while it runs; [`Kind::NotFound`].
    pub async fn remove(&self, id: MessageId) -> Result<()> {
        one(self.shared.store.remove(vec![id]).await?)
    }

    /// The same verbs on every message that a filter selects.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] for an empty filter: say [`Filter::everything`] to mean all.
    pub fn bulk(&self, section: Section, filter: Filter) -> Result<Bulk> {
        Bulk::new(self.shared.store.clone(), section, filter)
    }

    /// A window of at most 500 messages of one section of the store.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn list(
        &self,
        section: Section,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Window> {
        let limit = limit.clamp(1, limits::WINDOW);
        self.shared
            .store
            .list(List {
                section,
                after,
                limit,
            })
            .await
    }

    /// How many messages are in each state; at most two seconds old.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn counts(&self) -> Result<StateCounts> {
        self.shared.store.counts().await
    }

    /// The queues that hold anything; at most two seconds old.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn queues(&self) -> Result<Vec<QueueRecord>> {
        self.shared.store.queues().await
    }

    /// The workers that the store knows.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        self.shared.store.workers().await
    }

    /// Stops handing out the messages of a queue; those that run go on. Answers whether it was not
    /// paused before.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn pause(&self, queue: QueueName) -> Result<bool> {
        self.shared.store.pause(queue, true).await
    }

    /// Hands out the messages of a queue again. Answers whether it was paused.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn resume(&self, queue: QueueName) -> Result<bool> {
        self.shared.store.pause(queue, false).await
    }

    /// Names a lock: what one owner at a time may do, wherever it runs.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when it is no name: 1 to 255 bytes without control characters.
    pub fn lock(&self, name: impl AsRef<str>) -> Result<Lock> {
        Ok(Lock::new(self.shared.clone(), LockName::new(name)?))
    }

    /// The locks that are held, by name, those after `after` if it is given, and at most 500 of them. Fewer
    /// than `max` means that there are no more.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn locks(&self, after: Option<LockName>, max: usize) -> Result<Vec<LockRecord>> {
        self.shared.store.locks().list(after, max).await
    }

    /// Names a bucket of values: small things that programs share, by key and in sorted sets.
    ///
    /// # Errors
    ///
    /// As [`lock`](Broker::lock).
    pub fn kv(&self, bucket: impl AsRef<str>) -> Result<Kv> {
        Ok(Kv::new(self.shared.clone(), BucketName::new(bucket)?))
    }

    /// Names a channel: what is published there is heard by those who listen.
    ///
    /// # Errors
    ///
    /// As [`lock`](Broker::lock).
    pub fn channel(&self, name: impl AsRef<str>) -> Result<Channel> {
        Ok(Channel::new(self.shared.clone(), ChannelName::new(name)?))
    }

    /// Reads results and waits for them.
    pub fn results(&self) -> Results {
        Results::new(self.shared.clone())
    }

    /// Collects the results of many messages, in their order or as they complete.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when an id stands twice.
    pub fn result_pool(&self, ids: Vec<MessageId>) -> Result<ResultPool> {
        ResultPool::new(self.shared.clone(), ids)
    }

    /// Reads statuses and waits for them.
    pub fn statuses(&self) -> Statuses {
        Statuses::new(self.shared.store.clone())
    }
}

fn one<T>(mut answers: Vec<Result<T>>) -> Result<T> {
    answers
        .pop()
        .unwrap_or_else(|| Err(Error::new(Kind::Storage, "the store gave no answer")))
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("store", &self.shared.store)
            .finish_non_exhaustive()
    }
}
