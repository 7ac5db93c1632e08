//! A store in memory that counts what waiters ask of it, can be out of order for them, and notes in which order a worker
//! claims and settles.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use towpath_core::message::Record;
use towpath_core::store::{
    Answer, Audit, Brief, Capabilities, Claim, Cursor, Finding, KvStore, LeaseKeeper, List,
    LockStore, Note, Promoted, Pruned, QueueRecord, Rescued, ResultRead, Retention, Revoked,
    SettleRequest, Settled, Standing, StateCounts, Topic, Update, Verdict, Watch, Window,
    WorkerCard, WorkerRecord,
};
use towpath_core::{
    Clock, Draft, Error, IncarnationId, Message, MessageId, QueueName, Result, Store, Timestamp,
    Token,
};
use towpath_stores::MemoryStore;

use crate::log::Log;
use crate::stage::{Stage, manual_clock};

#[derive(Debug)]
pub(crate) struct Spy {
    inner: MemoryStore,
    /// How many ids were asked for in all briefs together.
    pub(crate) looked_at: AtomicUsize,
    /// What the next looks answer, the last first.
    pub(crate) errors: Mutex<Vec<Error>>,
    /// Told of every step of an audit.
    pub(crate) audited: Notify,
    /// How many settles are under way, and one more of them each time.
    pub(crate) settling: AtomicUsize,
    pub(crate) settle_begun: Notify,
    /// Without a permit a settle waits.
    pub(crate) gate: Semaphore,
    /// What was joined, claimed and settled.
    pub(crate) log: Arc<Log>,
}

impl Spy {
    /// A spy, and a stage on it.
    pub(crate) async fn on_stage() -> (Arc<Self>, Stage) {
        let clock = manual_clock();
        let spy = Self::by(clock.clone());
        let stage = Stage::new(spy.clone(), clock).await;
        (spy, stage)
    }

    /// A spy that tells the time by this clock.
    pub(crate) fn by(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(clock),
            looked_at: AtomicUsize::new(0),
            errors: Mutex::default(),
            audited: Notify::new(),
            settling: AtomicUsize::new(0),
            settle_begun: Notify::new(),
            gate: Semaphore::new(1_000),
            log: Arc::default(),
        })
    }

    fn note_claimed(&self, claimed: &[Message]) {
        for message in claimed {
            self.log
                .note(format!("claimed {}", message.counters.claims));
        }
    }

    fn look<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.errors.lock().unwrap().pop() {
            Some(error) => Box::pin(std::future::ready(Err(error))),
            None => answer,
        }
    }
}

macro_rules! delegate {
    ($($verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)+) => {
        $(fn $verb(&self, $($name: $type),*) -> $answer {
            Store::$verb(&self.inner, $($name),*)
        })+
    };
}

impl Store for Spy {
    fn audit(&self, after: Option<Cursor>, max: usize) -> Answer<'_, Audit> {
        self.audited.notify_one();
        self.inner.audit(after, max)
    }

    fn brief(&self, ids: Vec<MessageId>) -> Answer<'_, Vec<Brief>> {
        self.looked_at.fetch_add(ids.len(), Ordering::SeqCst);
        self.look(self.inner.brief(ids))
    }

    fn results(&self, ids: Vec<MessageId>, take: bool) -> Answer<'_, Vec<ResultRead>> {
        self.look(self.inner.results(ids, take))
    }

    fn settle(&self, request: SettleRequest) -> Answer<'_, Settled> {
        Box::pin(async move {
            self.settling.fetch_add(1, Ordering::SeqCst);
            self.settle_begun.notify_one();
            let _passed = self.gate.acquire().await;
            for item in &request.items {
                self.log.note(format!("settled {}", name(&item.verdict)));
            }
            let settled = self.inner.settle(request).await;
            self.settling.fetch_sub(1, Ordering::SeqCst);
            settled.inspect(|settled| self.note_claimed(&settled.claimed))
        })
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Vec<Message>> {
        Box::pin(async move {
            let claimed = self.inner.claim(claim).await;
            claimed.inspect(|claimed| self.note_claimed(claimed))
        })
    }

    fn join(&self, card: WorkerCard, lease: Duration) -> Answer<'_, ()> {
        self.log.note("joined");
        self.inner.join(card, lease)
    }

    delegate! {
        url() -> String;
        capabilities() -> Capabilities;
        now() -> Answer<'_, Timestamp>;
        submit(drafts: Vec<Draft>) -> Answer<'_, Vec<Result<()>>>;
        leave(incarnation: IncarnationId) -> Answer<'_, ()>;
        note(incarnation: IncarnationId, token: Token, note: Note) -> Answer<'_, ()>;
        standing(incarnation: IncarnationId, tokens: Vec<Token>) -> Answer<'_, Vec<Standing>>;
        lease_keeper() -> Result<Box<dyn LeaseKeeper>>;
        revoke(ids: Vec<MessageId>, skip_running: bool) -> Answer<'_, Vec<Result<Revoked>>>;
        update(updates: Vec<(MessageId, Update)>) -> Answer<'_, Vec<Result<()>>>;
        requeue(ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>>;
        replay(ids: Vec<(MessageId, MessageId)>) -> Answer<'_, Vec<Result<()>>>;
        remove(ids: Vec<MessageId>) -> Answer<'_, Vec<Result<()>>>;
        promote(max: usize) -> Answer<'_, Promoted>;
        rescue(max: usize) -> Answer<'_, Rescued>;
        expire(max: usize) -> Answer<'_, usize>;
        prune(max: usize) -> Answer<'_, Pruned>;
        set_retention(retention: Retention) -> ();
        get(ids: Vec<MessageId>) -> Answer<'_, Vec<Option<Record>>>;
        list(list: List) -> Answer<'_, Window>;
        counts() -> Answer<'_, StateCounts>;
        queues() -> Answer<'_, Vec<QueueRecord>>;
        workers() -> Answer<'_, Vec<WorkerRecord>>;
        pause(queue: QueueName, paused: bool) -> Answer<'_, bool>;
        doctor() -> Answer<'_, Vec<Finding>>;
        watch(topic: Topic) -> Box<dyn Watch>;
        kv() -> &dyn KvStore;
        locks() -> &dyn LockStore;
        close() -> Answer<'_, ()>;
    }
}

fn name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done { .. } => "done",
        Verdict::Retry { .. } => "retry",
        Verdict::Fail { .. } => "fail",
        Verdict::Release => "release",
        Verdict::Snooze { .. } => "snooze",
    }
}
