//! A wrapper around any store that goes wrong at the n-th call.
//!
//! A test runs a scenario once without a fault to see that it holds, then once for every n until the
//! n-th call is never reached, and checks the promises each time:
//!
//! ```
//! # use std::sync::Arc;
//! # use towpath_core::{Draft, Payload, Store, SystemClock, TaskName};
//! # use towpath_stores::{MemoryStore, faulty::{Call, Fault, FaultyStore}};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let inner = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
//! let store = FaultyStore::new(inner.clone()).only([Call::Submit]).at(1, Fault::LoseAnswer);
//! let draft = Draft::new(TaskName::new("greet")?, Payload::json("[]"));
//! // The caller is told of an error, and yet it happened.
//! assert!(store.submit(vec![draft]).await.unwrap_err().is_transient());
//! assert_eq!(inner.counts().await?.ready, 1);
//! assert!(store.has_struck());
//! # Ok::<(), towpath_core::Error>(())
//! # }).unwrap();
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::store::{
    Answer, Audit, Brief, Capabilities, Claim, Cursor, Entry, Extend, Finding, KeyRecord, KvStore,
    LeaseKeeper, List, LockRecord, LockRequest, LockStore, LockToken, Locked, Member, Note,
    Promoted, Pruned, QueueRecord, Rescued, ResultRead, Retention, Revoked, Score, SettleRequest,
    Settled, Standing, StateCounts, Subscription, Topic, Ttl, Update, Watch, Window, WorkerCard,
    WorkerRecord,
};
use towpath_core::{
    BucketName, ChannelName, Draft, Error, IncarnationId, Key, Kind, LockName, Message, MessageId,
    Payload, QueueName, Result, Store, Timestamp, Token,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused with an error of this kind, and the store never sees it.
    /// [`Kind::Unavailable`] is the transient one.
    Refuse(Kind),
    /// The call is done, and its answer is lost: the caller gets a transient error.
    LoseAnswer,
    /// The caller's process ends before the call is done: this call and all later ones fail as
    /// [`Kind::Stopped`], and the store sees none of them.
    CrashBefore,
    /// The caller's process ends after the call was done and before it was answered.
    CrashAfter,
}

impl Fault {
    /// One of each.
    pub const ALL: [Fault; 5] = [
        Fault::Refuse(Kind::Unavailable),
        Fault::Refuse(Kind::Storage),
        Fault::LoseAnswer,
        Fault::CrashBefore,
        Fault::CrashAfter,
    ];
}

/// The verbs that can be counted and go wrong. Those that cannot fail by their signature never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named for its verb")]
pub enum Call {
    Now,
    Submit,
    Join,
    Leave,
    Claim,
    Settle,
    Note,
    Standing,
    Extend,
    Revoke,
    Update,
    Requeue,
    Replay,
    Remove,
    Promote,
    Rescue,
    Expire,
    Prune,
    Audit,
    Get,
    Brief,
    Results,
    List,
    Counts,
    Queues,
    Workers,
    Pause,
    Doctor,
    Set,
    GetValue,
    Look,
    ExpireValue,
    Delete,
    Scan,
    CountValues,
    Clear,
    Add,
    Scores,
    Discard,
    Range,
    Pop,
    Len,
    Publish,
    Subscribe,
    Lock,
    Renew,
    Unlock,
    Seize,
    Holders,
    ListLocks,
}

/// A store that goes wrong where it is told to, and otherwise does what the store in it does.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Arc<Plan>,
}

/// What is to go wrong, and how far it has come. Shared with the lease keepers, whose calls count
/// like all others.
#[derive(Debug, Default)]
struct Plan {
    /// The fault, and the number of the call that it strikes, from 1.
    fault: Option<(u64, Fault)>,
    /// The calls that count; empty for all.
    only: Vec<Call>,
    calls: AtomicU64,
    crashed: AtomicBool,
}

impl FaultyStore {
    /// A store that does what `inner` does, and counts.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            plan: Arc::default(),
        }
    }

    /// Lets `fault` strike at the `n`-th call that counts, the first being 1.
    #[must_use]
    pub fn at(self, n: u64, fault: Fault) -> Self {
        self.planned(|plan| plan.fault = Some((n, fault)))
    }

    /// Counts these calls alone; the others never go wrong (but after a crash, they fail as well).
    #[must_use]
    pub fn only(self, calls: impl IntoIterator<Item = Call>) -> Self {
        self.planned(|plan| plan.only = calls.into_iter().collect())
    }

    fn planned(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        let plan = Arc::get_mut(&mut self.plan);
        change(plan.expect("nobody shares the plan while it is made"));
        self
    }

    /// How many calls were counted.
    pub fn calls(&self) -> u64 {
        self.plan.calls.load(Ordering::SeqCst)
    }

    /// Whether the fault has struck: false when the scenario ended before it came to that call.
    pub fn has_struck(&self) -> bool {
        self.plan.fault.is_some_and(|(n, _)| self.calls() >= n)
    }

    /// Whether the caller's process is supposed to have ended.
    pub fn has_crashed(&self) -> bool {
        self.plan.crashed.load(Ordering::SeqCst)
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        verb: impl FnOnce(&'a dyn Store) -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let fate = self.plan.begin(call)?;
            let answer = verb(&*self.inner).await?;
            self.plan.end(call, fate)?;
            Ok(answer)
        })
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy)]
enum Fate {
    Given,
    Lost,
    LostWithTheCaller,
}

impl Plan {
    fn begin(&self, call: Call) -> Result<Fate> {
        if self.crashed.load(Ordering::SeqCst) {
            return Err(crashed(call));
        }
        if !self.only.is_empty() && !self.only.contains(&call) {
            return Ok(Fate::Given);
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match self.fault.filter(|(n, _)| *n == number) {
            None => Ok(Fate::Given),
            Some((_, Fault::LoseAnswer)) => Ok(Fate::Lost),
            Some((_, Fault::CrashAfter)) => Ok(Fate::LostWithTheCaller),
            Some((_, Fault::Refuse(kind))) => {
                let text = format!("call {number} ({call:?}) was to be refused");
                Err(Error::new(kind, text))
            }
            Some((_, Fault::CrashBefore)) => {
                self.crashed.store(true, Ordering::SeqCst);
                Err(crashed(call))
            }
        }
    }

    fn end(&self, call: Call, fate: Fate) -> Result<()> {
        match fate {
            Fate::Given => Ok(()),
            Fate::Lost => Err(Error::new(
                Kind::Unavailable,
                format!("the answer of {call:?} was to be lost"),
            )),
            Fate::LostWithTheCaller => {
                self.crashed.store(true, Ordering::SeqCst);
                Err(crashed(call))
            }
        }
    }
}

fn crashed(call: Call) -> Error {
    Error::new(
        Kind::Stopped,
        format!("{call:?} after the end of its caller"),
    )
}

impl Store for FaultyStore {
    fn url(&self) -> String {
        self.inner.url()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn now(&self) -> Answer<'_, Timestamp> {
        self.call(Call::Now, |store| store.now())
    }

    fn submit(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Submit, |store| store.submit(drafts))
    }

    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()> {
        self.call(Call::Join, move |store| store.join(card, lease))
    }

    fn leave(&self, incarnation: IncarnationId) -> Answer<'_, ()> {
        self.call(Call::Leave, move |store| store.leave(incarnation))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Vec<Message>> {
        self.call(Call::Claim, |store| store.claim(claim))
    }

    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled> {
        self.call(Call::Settle, |store| store.settle(request))
    }

    fn note(&self, incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()> {
        self.call(Call::Note, move |store| {
            store.note(incarnation, token, note)
        })
    }

    fn standing(
        &self,
        incarnation: IncarnationId,
        tokens: Vec<Token>,
    ) -> Answer<'_, Vec<Standing>> {
        self.call(Call::Standing, move |store| {
            store.standing(incarnation, tokens)
        })
    }

    fn lease_keeper(&self) -> Result<Box<dyn LeaseKeeper>> {
        Ok(Box::new(FaultyKeeper {
            inner: self.inner.lease_keeper()?,
            plan: self.plan.clone(),
        }))
    }

    fn revoke(&self, ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>> {
        self.call(Call::Revoke, move |store| store.revoke(ids, skip_running))
    }

    fn update(&self, updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Update, |store| store.update(updates))
    }

    fn requeue(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Requeue, |store| store.requeue(ids))
    }

    fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Replay, |store| store.replay(ids))
    }

    fn remove(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Remove, |store| store.remove(ids))
    }

    fn promote(&self, max: usize) -> Answer<'_, Promoted> {
        self.call(Call::Promote, move |store| store.promote(max))
    }

    fn rescue(&self, max: usize) -> Answer<'_, Rescued> {
        self.call(Call::Rescue, move |store| store.rescue(max))
    }

    fn expire(&self, max: usize) -> Answer<'_, usize> {
        self.call(Call::Expire, move |store| store.expire(max))
    }

    fn prune(&self, max: usize) -> Answer<'_, Pruned> {
        self.call(Call::Prune, move |store| store.prune(max))
    }

    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit> {
        self.call(Call::Audit, move |store| store.audit(after, max))
    }

    fn set_retention(&self, retention: Retention) {
        self.inner.set_retention(retention);
    }

    fn get(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>> {
        self.call(Call::Get, |store| store.get(ids))
    }

    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>> {
        self.call(Call::Brief, |store| store.brief(ids))
    }

    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>> {
        self.call(Call::Results, move |store| store.results(ids, take))
    }

    fn list(&self, list: List) -> Answer<'_, Window> {
        self.call(Call::List, |store| store.list(list))
    }

    fn counts(&self) -> Answer<'_, StateCounts> {
        self.call(Call::Counts, |store| store.counts())
    }

    fn queues(&self) -> Answer<'_, Vec<QueueRecord>> {
        self.call(Call::Queues, |store| store.queues())
    }

    fn workers(&self) -> Answer<'_, Vec<WorkerRecord>> {
        self.call(Call::Workers, |store| store.workers())
    }

    fn pause(&self, queue: QueueName, paused: bool) -> Answer<'_, bool> {
        self.call(Call::Pause, move |store| store.pause(queue, paused))
    }

    fn doctor(&self) -> Answer<'_, Vec<Finding>> {
        self.call(Call::Doctor, |store| store.doctor())
    }

    fn watch(&self, topic: Topic) -> Box<dyn Watch> {
        self.inner.watch(topic)
    }

    fn kv(&self) -> &dyn KvStore {
        self
    }

    fn locks(&self) -> &dyn LockStore {
        self
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}

impl KvStore for FaultyStore {
    fn set(&self, bucket: BucketName, entries: Vec<Entry>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Set, |store| store.kv().set(bucket, entries))
    }

    fn get(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<Payload>>> {
        self.call(Call::GetValue, |store| store.kv().get(bucket, keys))
    }

    fn look(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<KeyRecord>>> {
        self.call(Call::Look, |store| store.kv().look(bucket, keys))
    }

    fn expire(&self, bucket: BucketName, keys: Vec<Key>, ttl: Ttl) -> Answer<'_, Vec<bool>> {
        self.call(Call::ExpireValue, move |store| {
            store.kv().expire(bucket, keys, ttl)
        })
    }

    fn delete(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.call(Call::Delete, |store| store.kv().delete(bucket, keys))
    }

    fn scan(
        &self,
        bucket: BucketName,
        prefix: String,
        after: Option<Key>,
        max: usize,
    ) -> Answer<'_, Vec<Key>> {
        self.call(Call::Scan, move |store| {
            store.kv().scan(bucket, prefix, after, max)
        })
    }

    fn count(&self, bucket: BucketName) -> Answer<'_, u64> {
        self.call(Call::CountValues, |store| store.kv().count(bucket))
    }

    fn clear(&self, bucket: BucketName, max: usize) -> Answer<'_, usize> {
        self.call(Call::Clear, move |store| store.kv().clear(bucket, max))
    }

    fn add(&self, bucket: BucketName, set: Key, members: Vec<Member>) -> Answer<'_, Vec<bool>> {
        self.call(Call::Add, |store| store.kv().add(bucket, set, members))
    }

    fn scores(
        &self,
        bucket: BucketName,
        set: Key,
        members: Vec<Key>,
    ) -> Answer<'_, Vec<Option<Score>>> {
        self.call(Call::Scores, |store| {
            store.kv().scores(bucket, set, members)
        })
    }

    fn discard(&self, bucket: BucketName, set: Key, members: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.call(Call::Discard, |store| {
            store.kv().discard(bucket, set, members)
        })
    }

    fn range(
        &self,
        bucket: BucketName,
        set: Key,
        after: Option<Member>,
        max: usize,
    ) -> Answer<'_, Vec<Member>> {
        self.call(Call::Range, move |store| {
            store.kv().range(bucket, set, after, max)
        })
    }

    fn pop(&self, bucket: BucketName, set: Key, max: usize) -> Answer<'_, Vec<Member>> {
        self.call(Call::Pop, move |store| store.kv().pop(bucket, set, max))
    }

    fn len(&self, bucket: BucketName, set: Key) -> Answer<'_, u64> {
        self.call(Call::Len, |store| store.kv().len(bucket, set))
    }

    fn publish(&self, channel: ChannelName, value: Payload) -> Answer<'_, ()> {
        self.call(Call::Publish, |store| store.kv().publish(channel, value))
    }

    fn subscribe(&self, channel: ChannelName) -> Answer<'_, Box<dyn Subscription>> {
        self.call(Call::Subscribe, |store| store.kv().subscribe(channel))
    }
}

impl LockStore for FaultyStore {
    fn lock(&self, request: LockRequest) -> Answer<'_, Locked> {
        self.call(Call::Lock, |store| store.locks().lock(request))
    }

    fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Answer<'_, Vec<Result<()>>> {
        self.call(Call::Renew, |store| store.locks().renew(renewals))
    }

    fn unlock(&self, tokens: Vec<LockToken>) -> Answer<'_, Vec<bool>> {
        self.call(Call::Unlock, |store| store.locks().unlock(tokens))
    }

    fn seize(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.call(Call::Seize, |store| store.locks().seize(names))
    }

    fn holders(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.call(Call::Holders, |store| store.locks().holders(names))
    }

    fn list(&self, after: Option<LockName>, max: usize) -> Answer<'_, Vec<LockRecord>> {
        self.call(Call::ListLocks, move |store| store.locks().list(after, max))
    }
}

struct FaultyKeeper {
    inner: Box<dyn LeaseKeeper>,
    plan: Arc<Plan>,
}

impl LeaseKeeper for FaultyKeeper {
    fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        let fate = self.plan.begin(Call::Extend)?;
        self.inner.extend(extend)?;
        self.plan.end(Call::Extend, fate)
    }

    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>> {
        let fate = self.plan.begin(Call::Renew)?;
        let answers = self.inner.renew(renewals)?;
        self.plan.end(Call::Renew, fate)?;
        Ok(answers)
    }
}
