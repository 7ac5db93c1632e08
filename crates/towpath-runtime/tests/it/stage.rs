//! A store with a worker that is played by hand: tests say when a message is claimed and how its
//! attempt ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use towpath_core::store::{
    Claim, Note, Retention, Selection, Settle, SettleRequest, StoredResult, Verdict, WorkerCard,
};
use towpath_core::{
    AttemptError, Draft, FailReason, IncarnationId, ManualClock, Message, MessageId, Payload,
    Store, StoreUrl, TaskName, Timestamp, limits,
};
use towpath_runtime::{Broker, Results, Statuses};

/// Runs each case over every store: `case` is an `async fn(Stage)`.
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::stage::Stage::memory().await).await;
            })+
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::stage::Stage::sqlite().await).await;
            })+
        }
    };
}
pub(crate) use on_every_store;

pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) clock: Arc<ManualClock>,
    incarnation: IncarnationId,
    held: Mutex<HashMap<MessageId, Message>>,
    /// Where the store's file is, deleted with the stage.
    _directory: Option<TempDir>,
}

impl Stage {
    pub(crate) async fn memory() -> Self {
        Self::open("memory:").await
    }

    pub(crate) async fn sqlite() -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("store.db");
        let stage = Self::open(&format!("sqlite:{}", file.display())).await;
        Self {
            _directory: Some(directory),
            ..stage
        }
    }

    async fn open(url: &str) -> Self {
        let clock = manual_clock();
        let url: StoreUrl = url.parse().unwrap();
        let store = towpath_stores::open_with(&url, clock.clone()).unwrap();
        Self::new(store, clock).await
    }

    /// A stage on a store whose time is told by `clock`.
    pub(crate) async fn new(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        let incarnation = IncarnationId::new();
        let card = WorkerCard {
            incarnation,
            name: "stage".into(),
            listens: "all".into(),
            tasks: Vec::new(),
        };
        store.join(card, limits::LEASE).await.unwrap();
        Self {
            broker: Broker::new(store),
            clock,
            incarnation,
            held: Mutex::default(),
            _directory: None,
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.broker.store()
    }

    pub(crate) fn results(&self) -> Results {
        self.broker.results()
    }

    pub(crate) fn statuses(&self) -> Statuses {
        self.broker.statuses()
    }

    pub(crate) async fn submit(&self) -> MessageId {
        self.broker.submit(draft()).await.unwrap()
    }

    pub(crate) async fn submit_many(&self, count: usize) -> Vec<MessageId> {
        let drafts = (0..count).map(|_| draft()).collect();
        let ids = self.broker.submit_many(drafts).await.unwrap();
        ids.into_iter().map(Result::unwrap).collect()
    }

    /// Lets the worker claim a message; whatever else is ready it claims as well.
    pub(crate) async fn claim(&self, id: MessageId) {
        let claim = Claim {
            incarnation: self.incarnation,
            max: limits::BATCH,
            enough: limits::BATCH,
            selection: Arc::new(Selection::Any {
                tasks: vec![draft().task],
            }),
            turn: 0,
        };
        let claimed = self.store().claim(claim).await.unwrap();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(claimed.into_iter().map(|message| (message.id, message)));
        assert!(held.contains_key(&id), "message {id} was not handed out");
    }

    /// Ends the attempt of a message, which is claimed first unless it was before.
    pub(crate) async fn settle(&self, id: MessageId, verdict: impl FnOnce(&Message) -> Verdict) {
        if !self.held.lock().unwrap().contains_key(&id) {
            self.claim(id).await;
        }
        let message = self.held.lock().unwrap().remove(&id).unwrap();
        let (token, verdict) = (message.token(), verdict(&message));
        let items = vec![Settle {
            token,
            started_at: None,
            verdict,
            unlock: Vec::new(),
        }];
        let request = SettleRequest {
            incarnation: self.incarnation,
            items,
            claim: None,
        };
        let mut settled = self.store().settle(request).await.unwrap();
        settled.items.pop().unwrap().unwrap();
    }

    /// Lets a message succeed with that JSON as its result, and submits its callback.
    pub(crate) async fn succeed(&self, id: MessageId, json: &'static str) {
        let payload = Payload::json(json);
        self.settle(id, |message| Verdict::Done {
            callbacks: message
                .next_in_chain(Some(payload.clone()))
                .into_iter()
                .collect(),
            result: StoredResult::Value(payload),
        })
        .await;
    }

    pub(crate) async fn succeed_with(&self, id: MessageId, result: StoredResult) {
        self.settle(id, |_| Verdict::Done {
            result,
            callbacks: Vec::new(),
        })
        .await;
    }

    pub(crate) async fn fail(&self, id: MessageId, error: AttemptError) {
        self.settle(id, |_| Verdict::Fail {
            reason: FailReason::Rejected,
            error,
        })
        .await;
    }

    /// Writes the progress of a message that is held.
    pub(crate) async fn note(&self, id: MessageId, details: serde_json::Value) {
        let token = self.held.lock().unwrap()[&id].token();
        let note = Note::Details(details);
        self.store()
            .note(self.incarnation, token, note)
            .await
            .unwrap();
    }

    /// Deletes everything that has ended, as when its retention is over.
    pub(crate) async fn prune_all(&self) {
        let none = Retention {
            succeeded_count: 0,
            dead_count: 0,
            ..Retention::default()
        };
        self.store().set_retention(none);
        while self.store().prune(limits::UPKEEP_ROWS).await.unwrap().more {}
    }
}

pub(crate) fn draft() -> Draft {
    Draft::new(TaskName::new("work").unwrap(), Payload::json("[]"))
}

pub(crate) fn manual_clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)))
}
