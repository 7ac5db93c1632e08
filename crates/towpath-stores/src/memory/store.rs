//! The store itself: locks the table, reads the clocks, does one step, unlocks, wakes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use towpath_core::message::Record;
use towpath_core::store::{
    Answer, Audit, Brief, Capabilities, Claim, Cursor, Entry, Extend, Finding, KeyRecord, KvStore,
    LeaseKeeper, List, LockRecord, LockRequest, LockStore, LockToken, Locked, Member, Note,
    Promoted, Pruned, QueueRecord, Rescued, ResultRead, Retention, Revoked, Score, SettleRequest,
    Settled, Standing, StateCounts, Store, Subscription, Topic, Ttl, Update, Watch, Window,
    WorkerCard, WorkerRecord,
};
use towpath_core::{
    BucketName, ChannelName, Clock, Draft, Error, IncarnationId, Key, Kind, LockName, Message,
    MessageId, Payload, QueueName, Result, StoreUrl, Timestamp, Token, limits,
};

use super::channel::Channels;
use super::step::{Rings, Step};
use super::table::Table;
use super::watch::Bells;

/// A store in this process's memory, gone with it.
///
/// ```
/// use std::sync::Arc;
/// use towpath_core::{Draft, Payload, Store, SystemClock, TaskName};
/// use towpath_stores::MemoryStore;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new(Arc::new(SystemClock::new()));
/// let draft = Draft::new(TaskName::new("greet")?, Payload::json("[]"));
/// store.submit(vec![draft]).await?;
/// assert_eq!(store.counts().await?.ready, 1);
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    url: StoreUrl,
    shared: Arc<Shared>,
    /// Of this handle alone, as the contract says.
    retention: Mutex<Retention>,
    closed: AtomicBool,
    /// Tells subscribers of the end, who do not look at `closed`.
    ended: watch::Sender<bool>,
}

/// What all handles of one store share.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    /// Locked for one step at a time, never across an await; waiters are woken after it is unlocked.
    table: Mutex<Table>,
    bells: Bells,
    channels: Channels,
}

impl MemoryStore {
    /// A fresh, empty store whose time is told by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::open(&StoreUrl::memory(), clock)
    }

    /// A fresh, empty store that says it is `url`. Two stores opened with one URL share nothing.
    pub fn open(url: &StoreUrl, clock: Arc<dyn Clock>) -> Self {
        Self {
            url: url.clone(),
            shared: Arc::new(Shared {
                clock,
                table: Mutex::default(),
                bells: Bells::new(),
                channels: Channels::default(),
            }),
            retention: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        }
    }

    /// Another handle on the same messages, with a retention and an end of its own: what a second
    /// process is to a store on disk.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self {
            url: self.url.clone(),
            shared: self.shared.clone(),
            retention: Mutex::default(),
            closed: AtomicBool::new(false),
            ended: watch::Sender::new(false),
        }
    }

    /// The answer of one step, taken when the future is first polled and never left half done.
    fn step<'a, T: Send + 'a>(
        &'a self,
        step: impl FnOnce(&mut Step<'_>) -> Result<T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            self.check_open()?;
            self.shared.step(*self.retention(), step)
        })
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(self.stopped());
        }
        Ok(())
    }

    fn stopped(&self) -> Error {
        let url = &self.url;
        Error::new(Kind::Stopped, format!("{url}: the store was closed"))
    }

    fn retention(&self) -> MutexGuard<'_, Retention> {
        // A plain value that is written whole: a panic elsewhere cannot have left it half done.
        self.retention
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn step<T>(
        &self,
        retention: Retention,
        step: impl FnOnce(&mut Step<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut table = self.table.lock().map_err(|_| {
            let text = "a verb of the store in memory panicked; what it holds cannot be trusted";
            Error::new(Kind::Storage, text)
        })?;
        let mut at_work = Step {
            // Read under the lock, so that the steps of the table are in the order of the clock.
            now: self.clock.now(),
            uptime: self.clock.uptime(),
            table: &mut table,
            retention,
            rings: Rings::default(),
        };
        let answer = step(&mut at_work);
        let rings = at_work.rings;
        drop(table);
        self.bells.ring(&rings);
        answer
    }
}

fn check_batch(what: &str, len: usize) -> Result<()> {
    if len > limits::BATCH {
        let limit = limits::BATCH;
        return Err(Error::invalid(format!(
            "a batch of {len} messages to {what}, the limit is {limit}"
        )));
    }
    Ok(())
}

impl Store for MemoryStore {
    fn url(&self) -> String {
        self.url.to_string()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            shared: false,
            durable: false,
            ordered: true,
            rescue_every: Duration::from_millis(500),
            fallback_poll: Duration::from_secs(1),
        }
    }

    fn now(&self) -> Answer<'_, Timestamp> {
        self.step(|step| Ok(step.now))
    }

    fn submit(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>> {
        self.step(|step| {
            check_batch("submit", drafts.len())?;
            Ok(step.submit(drafts))
        })
    }

    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()> {
        self.step(move |step| step.join(card, lease))
    }

    fn leave(&self, incarnation: IncarnationId) -> Answer<'_, ()> {
        self.step(move |step| {
            step.leave(incarnation);
            Ok(())
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Vec<Message>> {
        self.step(move |step| step.claim(&claim))
    }

    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled> {
        self.step(|step| {
            check_batch("settle", request.items.len())?;
            step.settle(request)
        })
    }

    fn note(&self, incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()> {
        self.step(move |step| step.note(incarnation, token, note))
    }

    fn standing(
        &self,
        incarnation: IncarnationId,
        tokens: Vec<Token>,
    ) -> Answer<'_, Vec<Standing>> {
        self.step(move |step| Ok(step.standing(incarnation, &tokens)))
    }

    fn lease_keeper(&self) -> Result<Box<dyn LeaseKeeper>> {
        Ok(Box::new(Keeper(self.shared.clone())))
    }

    fn revoke(&self, ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>> {
        self.step(move |step| Ok(step.revoke(&ids, skip_running)))
    }

    fn update(&self, updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>> {
        self.step(|step| Ok(step.update(updates)))
    }

    fn requeue(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.step(move |step| Ok(step.requeue(&ids)))
    }

    fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>> {
        self.step(move |step| Ok(step.replay(&ids)))
    }

    fn remove(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.step(move |step| Ok(step.remove(&ids)))
    }

    fn promote(&self, max: usize) -> Answer<'_, Promoted> {
        self.step(move |step| Ok(step.promote(max)))
    }

    fn rescue(&self, max: usize) -> Answer<'_, Rescued> {
        self.step(move |step| Ok(step.rescue(max)))
    }

    fn expire(&self, max: usize) -> Answer<'_, usize> {
        self.step(move |step| Ok(step.expire(max)))
    }

    fn prune(&self, max: usize) -> Answer<'_, Pruned> {
        self.step(move |step| Ok(step.prune(max)))
    }

    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit> {
        self.step(move |step| step.audit(after.as_ref(), max))
    }

    fn set_retention(&self, retention: Retention) {
        *self.retention() = retention;
    }

    fn get(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>> {
        self.step(move |step| Ok(step.get(&ids)))
    }

    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>> {
        self.step(move |step| Ok(step.brief(&ids)))
    }

    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>> {
        self.step(move |step| Ok(step.results(&ids, take)))
    }

    fn list(&self, list: List) -> Answer<'_, Window> {
        self.step(move |step| step.list(&list))
    }

    fn counts(&self) -> Answer<'_, StateCounts> {
        self.step(|step| Ok(step.table.counts))
    }

    fn queues(&self) -> Answer<'_, Vec<QueueRecord>> {
        self.step(|step| Ok(step.queues()))
    }

    fn workers(&self) -> Answer<'_, Vec<WorkerRecord>> {
        self.step(|step| Ok(step.workers()))
    }

    fn pause(&self, queue: QueueName, paused: bool) -> Answer<'_, bool> {
        self.step(move |step| Ok(step.pause(queue, paused)))
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        self.step(|step| Ok(step.doctor()))
    }

    fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        self.shared.bells.watch(topic)
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn locks(&self) -> &dyn LockStore {
        self
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.closed.store(true, Ordering::Release);
            self.ended.send_replace(true);
            // Whoever waits is to look again, and learn that the store was closed.
            self.shared.bells.ring_all();
            Ok(())
        })
    }
}

impl KvStore for MemoryStore {
    fn set(&self, bucket: BucketName, entries: Vec<Entry>) -> Answer<'_, Vec<Result<()>>> {
        self.step(move |step| step.set(&bucket, entries))
    }

    fn get(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<Payload>>> {
        self.step(move |step| step.get_values(&bucket, &keys))
    }

    fn look(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<KeyRecord>>> {
        self.step(move |step| step.look_at(&bucket, &keys))
    }

    fn expire(&self, bucket: BucketName, keys: Vec<Key>, ttl: Ttl) -> Answer<'_, Vec<bool>> {
        self.step(move |step| step.expire_values(&bucket, keys, ttl))
    }

    fn delete(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.step(move |step| step.delete_values(&bucket, &keys))
    }

    fn scan(
        &self,
        bucket: BucketName,
        prefix: String,
        after: Option<Key>,
        max: usize,
    ) -> Answer<'_, Vec<Key>> {
        self.step(move |step| Ok(step.scan(&bucket, &prefix, after.as_ref(), max)))
    }

    fn count(&self, bucket: BucketName) -> Answer<'_, u64> {
        self.step(move |step| Ok(step.count_values(&bucket)))
    }

    fn clear(&self, bucket: BucketName, max: usize) -> Answer<'_, usize> {
        self.step(move |step| Ok(step.clear(&bucket, max)))
    }

    fn add(&self, bucket: BucketName, set: Key, members: Vec<Member>) -> Answer<'_, Vec<bool>> {
        self.step(move |step| step.add_members(&bucket, set, members))
    }

    fn scores(
        &self,
        bucket: BucketName,
        set: Key,
        members: Vec<Key>,
    ) -> Answer<'_, Vec<Option<Score>>> {
        self.step(move |step| step.scores(&bucket, &set, &members))
    }

    fn discard(&self, bucket: BucketName, set: Key, members: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.step(move |step| step.discard(&bucket, &set, &members))
    }

    fn range(
        &self,
        bucket: BucketName,
        set: Key,
        after: Option<Member>,
        max: usize,
    ) -> Answer<'_, Vec<Member>> {
        self.step(move |step| Ok(step.range(&bucket, &set, after, max)))
    }

    fn pop(&self, bucket: BucketName, set: Key, max: usize) -> Answer<'_, Vec<Member>> {
        self.step(move |step| Ok(step.pop(&bucket, &set, max)))
    }

    fn len(&self, bucket: BucketName, set: Key) -> Answer<'_, u64> {
        self.step(move |step| Ok(step.len_of(&bucket, &set)))
    }

    fn publish(&self, channel: ChannelName, value: Payload) -> Answer<'_, ()> {
        Box::pin(async move {
            self.check_open()?;
            self.shared.channels.publish(&channel, value);
            Ok(())
        })
    }

    fn subscribe(&self, channel: ChannelName) -> Answer<'_, Box<dyn Subscription>> {
        Box::pin(async move {
            self.check_open()?;
            let (closed, stopped) = (self.ended.subscribe(), self.stopped());
            Ok(self.shared.channels.subscribe(channel, closed, stopped))
        })
    }
}

impl LockStore for MemoryStore {
    fn lock(&self, request: LockRequest) -> Answer<'_, Locked> {
        self.step(|step| Ok(step.lock(request)))
    }

    fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Answer<'_, Vec<Result<()>>> {
        self.step(move |step| step.renew(&renewals))
    }

    fn unlock(&self, tokens: Vec<LockToken>) -> Answer<'_, Vec<bool>> {
        self.step(move |step| step.unlock(&tokens))
    }

    fn seize(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.step(move |step| step.seize(&names))
    }

    fn holders(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.step(move |step| step.holders(&names))
    }

    fn list(&self, after: Option<LockName>, max: usize) -> Answer<'_, Vec<LockRecord>> {
        self.step(move |step| Ok(step.list_locks(after, max)))
    }
}

/// The way of the heartbeat. Elsewhere it has a connection of its own; here the lock is all there is,
/// and no step holds it longer than one batch takes.
struct Keeper(Arc<Shared>);

impl LeaseKeeper for Keeper {
    fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        self.0
            .step(Retention::default(), |step| step.extend(extend))
    }

    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>> {
        self.0
            .step(Retention::default(), |step| step.renew(renewals))
    }
}
