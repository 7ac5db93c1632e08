//! A store with messages in every state, of which the targets take copies to damage them.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::Connection;
use towpath_core::message::Start;
use towpath_core::store::WorkerCard;
use towpath_core::store::{Claim, Note, Selection, Settle, SettleRequest, StoredResult, Verdict};
use towpath_core::{
    AttemptError, Draft, FailReason, IncarnationId, MessageId, Payload, QueueName, Store, limits,
};

use crate::place::{Place, block_on};
use crate::tasks_of;

/// The bytes of a store's file, and the messages in it.
#[derive(Debug)]
pub struct Template {
    /// The file, with nothing left in its log.
    pub file: Vec<u8>,
    /// The same without STRICT and NOT NULL, so that any value can stand in any column.
    pub lax: Vec<u8>,
    /// Its messages, in the order of their numbers.
    pub ids: Vec<MessageId>,
}

impl Template {
    /// The template of this process.
    pub fn get() -> &'static Self {
        static TEMPLATE: OnceLock<Template> = OnceLock::new();
        TEMPLATE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let place = Place::new();
        let store = place.store();
        let ids = block_on(async {
            let ids = fill(&store).await;
            place.close(store).await;
            ids
        });
        let path = place.path("jobs.db");
        let file = emptied(&path);
        let db = Connection::open(&path).expect("our own file");
        db.execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(replace(replace(sql,
               'STRICT, WITHOUT ROWID', 'WITHOUT ROWID'), 'STRICT', ''), ' NOT NULL', '')
             WHERE type = 'table';",
        )
        .expect("the schema can be written");
        drop(db);
        let lax = emptied(&path);
        Self { file, lax, ids }
    }
}

/// The file after all of its log was written into it.
fn emptied(path: &Path) -> Vec<u8> {
    let db = Connection::open(path).expect("our own file");
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("nobody else has it open");
    drop(db);
    std::fs::read(path).expect("the file is there")
}

/// Submits messages of every kind and brings them to every state.
async fn fill(store: &dyn Store) -> Vec<MessageId> {
    let tasks = tasks_of();
    let mut drafts: Vec<Draft> = (0..10)
        .map(|at| {
            let mut draft = Draft::new(tasks[at % 2].clone(), Payload::json("[1, \"two\"]"));
            draft.id = MessageId::from_text(&format!("message {at}"));
            if at % 3 == 0 {
                draft.queue = QueueName::new("q").expect("a name");
            }
            draft
        })
        .collect();
    let mut callback = Draft::new(tasks[0].clone(), Payload::json("[]"));
    callback.id = MessageId::from_text("callback");
    drafts[0].options.callback = Some(Box::new(callback));
    drafts[1].payload = Payload::json(format!("[{:?}]", "x".repeat(2_000)));
    drafts[2]
        .options
        .metadata
        .insert("big".into(), "y".repeat(2_000).into());
    drafts[3].options.expires_in = Some(Duration::from_secs(60));
    drafts[4].start = Start::After(Duration::from_secs(30));
    drafts[5].previous_result = Some(Payload::json("[2]"));
    let ids: Vec<_> = drafts.iter().map(|draft| draft.id).collect();
    for answer in store.submit(drafts).await.expect("it is submitted") {
        answer.expect("it is a good draft");
    }
    run(store).await;
    store.revoke(vec![ids[9]], false).await.expect("it waits");
    ids
}

/// One worker that finishes some and holds others, when it is seen for the last time.
async fn run(store: &dyn Store) {
    let incarnation = IncarnationId::from_bytes([7; 16]);
    let card = WorkerCard {
        incarnation,
        name: "template".to_owned(),
        listens: "all".to_owned(),
        tasks: tasks_of(),
    };
    store.join(card, limits::LEASE).await.expect("it is new");
    let claim = Claim {
        incarnation,
        max: 5,
        enough: 5,
        selection: Selection::Any { tasks: tasks_of() }.into(),
        turn: 0,
    };
    let claimed = store.claim(claim).await.expect("there are some");
    let note = Note::Details(serde_json::json!({"done": 5}));
    let token = claimed[0].token();
    store
        .note(incarnation, token, note)
        .await
        .expect("it is held");
    let saved = Note::Saved(Payload::json("{\"at\": 3}"));
    store
        .note(incarnation, token, saved)
        .await
        .expect("it is held");
    let verdicts = [
        Verdict::Done {
            result: StoredResult::Value(Payload::json(format!("{:?}", "z".repeat(2_000)))),
            callbacks: Vec::new(),
        },
        Verdict::Fail {
            reason: FailReason::Rejected,
            error: AttemptError::new("E", "went wrong").with_traceback("here"),
        },
        Verdict::Retry {
            after: Duration::from_secs(9),
            error: AttemptError::new("E", "went wrong"),
        },
    ];
    // The first stays in flight, with what it has left.
    let tokens = claimed[1..].iter().map(|message| message.token());
    let items = tokens.zip(verdicts).map(|(token, verdict)| Settle {
        token,
        started_at: None,
        verdict,
 unlock: Vec::new(),
    });
    let request = SettleRequest {
        incarnation,
        items: items.collect(),
        claim: None,
    };
    let settled = store.settle(request).await.expect("they are held");
    assert!(settled.items.iter().all(Result::is_ok));
}
