//! What a case works with: a store under test, and the clock it was given.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::store::{QueueRecord, StateCounts};
use towpath_core::{Clock, Draft, ManualClock, MessageId, State, Store, Timestamp, limits};

use super::Worker;
use super::words::{after, done, draft, fail};

/// When every case begins. A plain number, so that a failure reads the same twice.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

type Open = dyn Fn(Arc<dyn Clock>) -> Arc<dyn Store> + Send + Sync;

/// One fresh store, the clock that it reads, and the way to open it again.
pub struct Harness {
    /// The store under test; empty when the case begins.
    pub store: Arc<dyn Store>,
    /// The clock of every handle. It stands still unless the case moves it.
    pub clock: Arc<ManualClock>,
    open: Box<Open>,
}

impl Harness {
    /// A harness for the store that `open` opens. Each call of it gives another handle on the same
    /// data, which must be empty at first.
    pub fn new(open: impl Fn(Arc<dyn Clock>) -> Arc<dyn Store> + Send + Sync + 'static) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let store = open(clock.clone());
        Self {
            store,
            clock,
            open: Box::new(open),
        }
    }

    /// Another handle on the same data, as another process has one.
    pub fn another(&self) -> Arc<dyn Store> {
        (self.open)(self.clock.clone())
    }

    /// Closes the store and opens it again.
    pub async fn reopen(&self) -> Arc<dyn Store> {
        self.store.close().await.unwrap();
        self.another()
    }

    /// Lets time pass, on both clocks.
    pub fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    /// The store's wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Submits drafts that must all be accepted; answers their ids.
    pub async fn submit(&self, drafts: impl IntoIterator<Item = Draft>) -> Vec<MessageId> {
        let drafts: Vec<Draft> = drafts.into_iter().collect();
        let ids = drafts.iter().map(|draft| draft.id).collect();
        for answer in self.store.submit(drafts).await.unwrap() {
            answer.unwrap();
        }
        ids
    }

    /// Submits one draft that must be accepted.
    pub async fn submit_one(&self, draft: Draft) -> MessageId {
        self.submit([draft]).await[0]
    }

    /// A worker that has just joined.
    pub async fn worker(&self) -> Worker {
        Worker::join(self.store.clone()).await
    }

    /// A message of task `t` that has come to `state`, if need be by the hands of `worker`. Nothing
    /// else may be ready.
    pub async fn message_in(&self, state: State, worker: &Worker) -> MessageId {
        let mut new = draft("t");
        if state == State::Scheduled {
            new = after(new, Duration::from_secs(60));
        }
        let id = self.submit_one(new).await;
        match state {
            State::Scheduled | State::Ready => {}
            State::Running => drop(worker.claim_one().await),
            State::Succeeded => {
                let token = worker.claim_one().await.token();
                worker.settle(token, done()).await.unwrap();
            }
            State::Failed => {
                let token = worker.claim_one().await.token();
                worker.settle(token, fail()).await.unwrap();
            }
            State::Revoked => {
                let answers = self.store.revoke(vec![id], false).await.unwrap();
                answers[0].as_ref().unwrap();
            }
        }
        assert_eq!(self.state(id).await, state);
        id
    }

    /// The record of a message that must be known.
    pub async fn record(&self, id: MessageId) -> Record {
        let record = self.find(id).await;
        record.unwrap_or_else(|| panic!("message {id} is not in the store"))
    }

    /// The record of a message.
    pub async fn find(&self, id: MessageId) -> Option<Record> {
        self.store.get(vec![id]).await.unwrap().remove(0)
    }

    /// The state of a message that must be known.
    pub async fn state(&self, id: MessageId) -> State {
        self.record(id).await.state
    }

    /// The counts as of now: they may be two seconds old, so three pass first.
    pub async fn counts(&self) -> StateCounts {
        self.advance(Duration::from_secs(3));
        self.store.counts().await.unwrap()
    }

    /// The queues as of now: they may be two seconds old, so three pass first.
    pub async fn queues(&self) -> Vec<QueueRecord> {
        self.advance(Duration::from_secs(3));
        self.store.queues().await.unwrap()
    }

    /// Lets the worker die: its lease runs out (with those of all who do not renew theirs), and all
    /// it held is rescued.
    pub async fn kill(&self, worker: Worker) {
        self.advance(limits::LEASE);
        let rescued = self.store.rescue(limits::UPKEEP_ROWS).await.unwrap();
        assert!(rescued.workers > 0, "worker {}", worker.incarnation);
    }

    /// Lets time pass until the message may run, and promotes it.
    pub async fn until_ready(&self, id: MessageId) {
        let record = self.record(id).await;
        self.advance(record.due_at.since(self.now()));
        self.store.promote(limits::UPKEEP_ROWS).await.unwrap();
        assert_eq!(self.state(id).await, State::Ready);
    }
}
