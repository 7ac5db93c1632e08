//! Records that somebody has edited: each is told by its name, and stops nobody else.

use std::sync::Arc;

use towpath_core::store::{List, ResultRead, Section, StoredResult, Verdict};
use towpath_core::{FailReason, Kind, MessageId, State, Store, StoreUrl};
use towpath_stores::conformance::Worker;

use super::place::{beside, draft, every_t, given, open};

/// Edits the row of one message in a table that names it by its number.
async fn edit(url: &StoreUrl, id: MessageId, table: &str, change: &str) {
    let sql = format!(
        "UPDATE {table} SET {change} WHERE n = (SELECT m.n FROM message AS m WHERE m.id = '{id}')"
    );
    let edited = beside(url).await.execute(&sql, &[]).await.unwrap();
    assert_eq!(edited, 1, "{sql}");
}

async fn submit(store: &dyn Store) -> MessageId {
    let draft = draft();
    let id = draft.id;
    store.submit(vec![draft]).await.unwrap().remove(0).unwrap();
    id
}

async fn worker(store: &Arc<dyn Store>) -> Worker {
    Worker::join(store.clone()).await
}

fn done() -> Verdict {
    Verdict::Done {
        result: StoredResult::None,
        callbacks: Vec::new(),
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_a_dead_letter_and_those_behind_it_are_handed_out() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let (bad, good) = (submit(&*store).await, submit(&*store).await);
    edit(
        &url,
        bad,
        "message",
        "options = '{\"timeout_ms\": \"soon\"}'",
    )
    .await;
    let error = store.get(vec![bad]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(error.to_string().contains(&bad.to_string()), "{error}");

    let worker = worker(&store).await;
    let claimed = worker.claim(9, every_t()).await;
    assert_eq!(claimed.iter().map(|m| m.id).collect::<Vec<_>>(), [good]);
    let record = store.get(vec![bad]).await.unwrap().remove(0).unwrap();
    assert_eq!(
        (record.state, record.reason),
        (State::Failed, Some(FailReason::Rejected))
    );
    let told = record.error().unwrap();
    assert_eq!(told.name, "towpath::DamagedRecord");
    assert!(told.traceback.as_deref().unwrap().contains("soon"));
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_line_without_a_name_hides_its_messages_and_no_others() {
    let Some(url) = given() else { return };
    let store = open(&url);
    submit(&*store).await;
    beside(&url)
        .await
        .batch_execute("DELETE FROM line")
        .await
        .unwrap();
    // As another process: this one remembers the name.
    let store = open(&url);
    let good = submit(&*store).await;
    let claimed = worker(&store).await.claim(9, every_t()).await;
    assert_eq!(claimed.iter().map(|m| m.id).collect::<Vec<_>>(), [good]);
    let list = List {
        section: Section::All,
        after: None,
        limit: 9,
    };
    let window = store.list(list).await.unwrap();
    assert_eq!((window.scanned, window.records.len()), (2, 1));
    let findings = store.doctor().await.unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
}

#[tokio::test]
async fn an_end_that_is_none_is_told_by_the_name_of_its_message() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let worker = worker(&store).await;
    for change in ["reason = 99", "result_kind = 9", "claims = -1"] {
        let id = submit(&*store).await;
        let token = worker.claim_one().await.token();
        worker.settle(token, done()).await.unwrap();
        edit(&url, id, "finished", change).await;
        let error = store.get(vec![id]).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Storage, "{change}");
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_told_by_the_name_of_its_message() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let worker = worker(&store).await;
    let id = submit(&*store).await;
    let token = worker.claim_one().await.token();
    let fail = Verdict::Fail {
        reason: FailReason::Rejected,
        error: towpath_core::AttemptError::new("Odd", "a\0b"),
    };
    worker.settle(token, fail).await.unwrap();
    let read = store.results(vec![id], false).await.unwrap().remove(0);
    let ResultRead::Failed { error, .. } = read else {
        panic!("{read:?}");
    };
    assert_eq!(error.unwrap().text, "a\0b");
    edit(&url, id, "attempt", "error = 'oops'").await;
    for error in [
        store.get(vec![id]).await.unwrap_err(),
        store.results(vec![id], false).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Storage);
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
}

#[tokio::test]
async fn what_stands_nowhere_is_found_and_mended() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let (lost, held) = (submit(&*store).await, submit(&*store).await);
    let beside = beside(&url).await;
    let sql = format!("DELETE FROM ready WHERE n = (SELECT n FROM message WHERE id = '{lost}')");
    assert_eq!(beside.execute(&sql, &[]).await.unwrap(), 1);
    let worker = worker(&store).await;
    assert_eq!(worker.claim_one().await.id, held);
    beside.batch_execute("DELETE FROM lease").await.unwrap();
    // A place that leads to no message, which a claim clears away.
    let sql = "INSERT INTO ready (line, priority, due, n) SELECT l, 0, 0, -5 FROM line";
    beside.batch_execute(sql).await.unwrap();
    assert_eq!(store.doctor().await.unwrap().len(), 3);

    let audit = store.audit(None, 10).await.unwrap();
    assert_eq!((audit.scanned, audit.mended.len()), (2, 2));
    let next = Worker::join(store.clone()).await;
    assert_eq!(next.claim(9, every_t()).await.len(), 2);
    assert_eq!(store.doctor().await.unwrap(), []);
}

/// Has the lease of this worker be over.
async fn die(url: &StoreUrl) {
    let sql = "UPDATE lease SET ends = 0";
    beside(url).await.batch_execute(sql).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nobody_with_a_dead_worker() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let worker = worker(&store).await;
    let damages = [
        ("message", "losses = -1"),
        ("message", "strays = 4294967296"),
        ("inflight", "claims = -7"),
    ];
    let mut bad = Vec::new();
    for (table, change) in damages {
        let id = submit(&*store).await;
        worker.claim_one().await;
        edit(&url, id, table, change).await;
        bad.push(id);
    }
    let ended = submit(&*store).await;
    worker.claim_one().await;
    let sql = format!(
        "INSERT INTO finished (n, state, claims, ended, kept) \
         SELECT n, 3, 1, 0, 0 FROM message WHERE id = '{ended}'"
    );
    beside(&url).await.batch_execute(&sql).await.unwrap();
    let gone = submit(&*store).await;
    worker.claim_one().await;
    let sql = format!("DELETE FROM message WHERE id = '{gone}'");
    beside(&url).await.batch_execute(&sql).await.unwrap();
    let good = submit(&*store).await;
    worker.claim_one().await;

    die(&url).await;
    // One at a time: none of them may be in the way of the next.
    let mut rescued = Vec::new();
    for _ in 0..6 {
        let step = store.rescue(1).await.unwrap();
        rescued.push((step.returned, step.given_up));
    }
    assert_eq!(rescued, [(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (1, 0)]);
    assert_eq!(store.rescue(10).await.unwrap().workers, 0);
    let state = |records: Vec<Option<towpath_core::message::Record>>| records[0].clone().unwrap();
    assert_eq!(
        state(store.get(vec![good]).await.unwrap()).state,
        State::Ready
    );
    for id in bad {
        let record = state(store.get(vec![id]).await.unwrap());
        assert_eq!(
            (record.state, record.reason),
            (State::Failed, Some(FailReason::Rejected))
        );
        assert_eq!(record.error().unwrap().name, "towpath::DamagedRecord");
        store.requeue(vec![id]).await.unwrap().remove(0).unwrap();
    }
    assert_eq!(store.doctor().await.unwrap(), []);
    let leases = beside(&url)
        .await
        .query("SELECT 1 FROM lease", &[])
        .await
        .unwrap();
    assert_eq!(leases.len(), 0, "the dead worker is forgotten");
    assert_eq!(
        self::worker(&store).await.claim(9, every_t()).await.len(),
        4
    );
}
