//! The writer: verbs that share a transaction do not share their errors.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use towpath_core::store::{Settle, SettleRequest, Verdict};
use towpath_core::{AttemptError, Draft, FailReason, Kind, State};
use towpath_stores::conformance::Worker;

use super::place::{Place, draft, every_t, submit};

fn of_priority(priority: u32) -> Draft {
    let mut draft = draft("t");
    draft.priority = priority;
    draft
}

#[tokio::test]
async fn when_the_engine_fails_only_the_verb_that_cannot_be_done_is_told() {
    let place = Place::new();
    let store = place.store();
    store.counts().await.unwrap();
    place
        .raw()
        .execute_batch(
            "CREATE TRIGGER unlucky BEFORE INSERT ON message WHEN NEW.priority = 13
             BEGIN SELECT RAISE(ROLLBACK, 'out of luck'); END",
        )
        .unwrap();

    // All are in the mailbox before the writer gets the lock, so that they share a transaction.
    let lock = place.raw();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut verbs: Vec<_> = [1, 2, 13, 4, 5]
        .into_iter()
        .map(|priority| store.submit(vec![of_priority(priority)]))
        .collect();
    for verb in &mut verbs {
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(verb).poll(&mut context).is_pending());
    }
    lock.execute_batch("COMMIT").unwrap();

    let mut answers = Vec::new();
    for verb in verbs {
        answers.push(verb.await);
    }
    let error = answers.remove(2).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(error.to_string().contains("out of luck"), "{error}");
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap()[0].is_ok())
    );
    assert_eq!(store.counts().await.unwrap().ready, 4);
    assert_eq!(store.doctor().await.unwrap(), []);
}

/// The real bound takes its ten seconds, so only `TOWPATH_SLOW_TESTS=1` chooses this.
#[tokio::test]
async fn a_verb_that_waits_ten_seconds_for_a_lock_is_told_that_the_store_is_busy() {
    if std::env::var_os("TOWPATH_SLOW_TESTS").is_none_or(|value| value != "1") {
        println!("SKIPPED: it takes ten seconds; TOWPATH_SLOW_TESTS=1 runs it");
        return;
    }
    let place = Place::new();
    let store = place.store();
    submit(&*store, 1).await;
    let lock = place.raw();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.submit(vec![draft("t")]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.is_transient());
    let text = error.to_string();
    let file = place.path().display().to_string();
    assert!(text.contains(&file) && text.contains("is busy"), "{text}");
    assert_eq!(
        store.counts().await.unwrap().ready,
        1,
        "whoever looks goes on"
    );
    lock.execute_batch("ROLLBACK").unwrap();
    submit(&*store, 1).await;
}

#[tokio::test]
async fn an_item_that_fails_half_way_is_undone_alone() {
    let place = Place::new();
    let store = place.store();
    submit(&*store, 3).await;
    let worker = Worker::join(store.clone()).await;
    let claimed = worker.claim(3, every_t()).await;
    // The history is written first, the move after it: let the move fail.
    place
        .raw()
        .execute_batch(
            "CREATE TRIGGER stuck BEFORE UPDATE ON message WHEN NEW.n = 2
             BEGIN SELECT RAISE(ABORT, 'stuck'); END",
        )
        .unwrap();
    let fail = Verdict::Fail {
        reason: FailReason::Rejected,
        error: AttemptError::new("Oops", "it went wrong"),
    };
    let request = SettleRequest {
        incarnation: worker.incarnation,
        items: claimed
            .iter()
            .map(|message| Settle {
                token: message.token(),
                started_at: None,
                verdict: fail.clone(),
                unlock: Vec::new(),
            })
            .collect(),
        claim: None,
    };
    let settled = store.settle(request).await.unwrap();
    let refused: Vec<_> = settled.items.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false]);
    let ids = claimed.iter().map(|message| message.id).collect();
    let records = store.get(ids).await.unwrap();
    let states: Vec<_> = records
        .iter()
        .flatten()
        .map(|record| record.state)
        .collect();
    assert_eq!(states, [State::Failed, State::Running, State::Failed]);
    assert!(records[1].as_ref().unwrap().attempts.is_empty());
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let place = Place::new();
    let store = place.store();
    let draft = draft("t");
    store.submit(vec![draft.clone()]).await.unwrap();
    let worker = Worker::join(store.clone()).await;
    let log = format!("{}-wal", place.path().display());
    let size = || std::fs::metadata(&log).unwrap().len();
    let before = size();
    let again = store.submit(vec![draft.clone()]).await.unwrap();
    assert_eq!(again[0].as_ref().unwrap_err().kind(), Kind::AlreadyExists);
    let mut elsewhere = draft.clone();
    elsewhere.queue = super::place::queue("a queue that nobody knows");
    let again = store.submit(vec![elsewhere]).await.unwrap();
    assert_eq!(again[0].as_ref().unwrap_err().kind(), Kind::AlreadyExists);
    let empty = towpath_core::store::Selection::Any { tasks: Vec::new() };
    assert!(worker.claim(10, empty).await.is_empty());
    let token = towpath_core::Token {
        id: draft.id,
        claims: 7,
    };
    let late = worker.settle(token, Verdict::Release).await;
    assert_eq!(late.unwrap_err().kind(), Kind::LeaseLost);
    let refused = store.requeue(vec![draft.id]).await.unwrap();
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), Kind::WrongState);
    store.promote(10).await.unwrap();
    store.expire(10).await.unwrap();
    store.prune(10).await.unwrap();
    store.rescue(10).await.unwrap();
    assert_eq!(size(), before, "not one page went to the log");
}

#[tokio::test]
async fn full_durability_keeps_the_same_promises() {
    let place = Place::new();
    let url = place
        .url()
        .with_durability(towpath_core::url::Durability::Full);
    let store = place.store_of(&url);
    submit(&*store, 10).await;
    let worker = Worker::join(store.clone()).await;
    assert_eq!(worker.claim(20, every_t()).await.len(), 10);
}

#[tokio::test]
async fn a_body_of_any_size_comes_back_as_it_went() {
    let place = Place::new();
    let store = place.store();
    for size in [0, 1, 799, 800, 801, 4_096, 1 << 20] {
        let mut draft = draft("t");
        let bytes = vec![b'7'; size];
        draft.payload = towpath_core::Payload::json(bytes.clone());
        draft.previous_result = Some(towpath_core::Payload::json(bytes));
        draft
            .options
            .metadata
            .insert("k".into(), "v".repeat(size).into());
        let id = draft.id;
        store.submit(vec![draft.clone()]).await.unwrap();
        let worker = Worker::join(store.clone()).await;
        let message = worker.claim_one().await;
        assert_eq!(message.draft, draft, "{size}");
        let result = towpath_core::store::StoredResult::Value(draft.payload.clone());
        let done = Verdict::Done {
            result,
            callbacks: Vec::new(),
        };
        worker.settle(message.token(), done).await.unwrap();
        let read = store.results(vec![id], true).await.unwrap().remove(0);
        match read {
            towpath_core::store::ResultRead::Value { payload, .. } => {
                assert_eq!(payload.as_ref(), Some(&draft.payload), "{size}");
            }
            other => panic!("{size}: {other:?}"),
        }
        store.remove(vec![id]).await.unwrap();
        worker.store.leave(worker.incarnation).await.unwrap();
    }
    for table in [
        "message", "blob", "ready", "finished", "attempt", "scratch", "inflight",
    ] {
        assert_eq!(
            place.number(&format!("SELECT COUNT(*) FROM {table}")),
            0,
            "{table}"
        );
    }
}
