//! Submits within transactions of the caller's, from Rust and by plain SQL.

use std::time::Duration;

use tokio_postgres::{Client, error::SqlState};
use towpath_core::message::Start;
use towpath_core::store::{StoredResult, Topic, Verdict};
use towpath_core::{
    Draft, Kind, MessageId, Options, Payload, State, Store, StoreUrl, TaskName, limits,
};
use towpath_stores::conformance::Worker;
use towpath_stores::postgres::PostgresStore;

use super::place::{beside, draft, every_t, given, open};

/// Only bounds how long a broken store may make the test wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store, and a client of the user's own, who has a table beside it and knows nothing of its schema.
async fn shop() -> Option<(PostgresStore, Client, StoreUrl)> {
    let url = given()?;
    let store = PostgresStore::open(&url).unwrap();
    // Opens it. No count: one that took long would be kept for a while.
    assert!(record(&store, draft().id).await.is_none());
    let client = beside(&url).await;
    let sql = "SET search_path TO pg_temp; CREATE TABLE orders (item text); \
               CREATE TABLE message (theirs text); CREATE TABLE ready (theirs text)";
    client.batch_execute(sql).await.unwrap();
    Some((store, client, url))
}

async fn orders(client: &Client) -> i64 {
    let row = client.query_one("SELECT count(*) FROM orders", &[]).await;
    row.unwrap().get(0)
}

async fn record(store: &dyn Store, id: MessageId) -> Option<towpath_core::message::Record> {
    store.get(vec![id]).await.unwrap().remove(0)
}

#[tokio::test]
async fn what_is_rolled_back_was_never_submitted_and_what_is_committed_runs() {
    let Some((store, mut client, url)) = shop().await else {
        return;
    };
    let order = "INSERT INTO orders VALUES ('cup')";
    let mut watch = store.watch(Topic::Work);
    for commit in [false, true] {
        let transaction = client.transaction().await.unwrap();
        transaction.execute(order, &[]).await.unwrap();
        let one = draft();
        let id = one.id;
        store.submit_in(&transaction, vec![one]).await.unwrap();
        assert!(
            record(&store, id).await.is_none(),
            "nobody else sees it yet"
        );
        if !commit {
            transaction.rollback().await.unwrap();
            assert!(record(&store, id).await.is_none());
            assert_eq!(orders(&client).await, 0);
            continue;
        }
        // Until it was heard once, the listener may not be there.
        transaction.commit().await.unwrap();
        let rung = tokio::time::timeout(PATIENCE, watch.changed()).await;
        rung.expect("the commit rings");
        let worker = Worker::join(open(&url)).await;
        let claimed = worker.try_claim(1, every_t()).await.unwrap();
        assert_eq!(claimed[0].id, id);
        let done = Verdict::Done {
            result: StoredResult::None,
            callbacks: Vec::new(),
        };
        worker.settle(claimed[0].token(), done).await.unwrap();
        let state = record(&store, id).await.unwrap().state;
        assert_eq!((state, orders(&client).await), (State::Succeeded, 1));
    }
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_listener_hears_the_commit_and_not_the_submit() {
    let Some((store, mut client, url)) = shop().await else {
        return;
    };
    let other = open(&url);
    let mut watch = other.watch(Topic::Work);
    let heard = async {
        // Until the listener of the other handle is there.
        loop {
            store.submit(vec![draft()]).await.unwrap();
            if tokio::time::timeout(Duration::from_millis(500), watch.changed())
                .await
                .is_ok()
            {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap();
    let mut watch = other.watch(Topic::Schedule);
    let transaction = client.transaction().await.unwrap();
    let mut later = draft();
    later.start = Start::After(Duration::from_secs(3_600));
    store.submit_in(&transaction, vec![later]).await.unwrap();
    transaction.commit().await.unwrap();
    let rung = tokio::time::timeout(PATIENCE, watch.changed()).await;
    rung.expect("the commit rings at the other handle");
}

#[tokio::test]
async fn a_refusal_leaves_the_transaction_as_it_was() {
    let Some((store, mut client, _)) = shop().await else {
        return;
    };
    let known = draft();
    store.submit(vec![known.clone()]).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let beside_known = draft();
    let id = beside_known.id;
    let refused = store
        .submit_in(&transaction, vec![beside_known, known.clone()])
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::AlreadyExists);
    let refused = store.submit_in(&transaction, vec![known]).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::AlreadyExists);
    let mut large = draft();
    large.payload = Payload::json(vec![b'1'; limits::PAYLOAD_BYTES + 1]);
    let refused = store.submit_in(&transaction, vec![draft(), large]).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Invalid);
    let twice = draft();
    let refused = store
        .submit_in(&transaction, vec![twice.clone(), twice])
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Invalid);
    let many: Vec<Draft> = (0..3).map(|_| draft()).collect();
    store.submit_in(&transaction, many).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(record(&store, id).await.is_none());
    assert_eq!(store.counts().await.unwrap().ready, 4);
}

/// One message by plain SQL; `call` stands between the parentheses.
async fn by_sql(client: &Client, url: &StoreUrl, call: &str) -> Result<Option<MessageId>, String> {
    let schema = url.namespace();
    let sql = format!("SELECT \"{schema}\".submit({call})::text");
    match client.query_one(&sql, &[]).await {
        Ok(row) => {
            let id: Option<String> = row.get(0);
            Ok(id.map(|id| id.parse().expect("an id")))
        }
        Err(error) => {
            let said = error.as_db_error().expect("the server says why");
            let expected = [
                SqlState::INVALID_PARAMETER_VALUE,
                SqlState::UNIQUE_VIOLATION,
            ];
            assert!(expected.contains(said.code()), "{said:?}");
            Err(said.message().to_owned())
        }
    }
}

#[tokio::test]
async fn plain_sql_submits_what_a_draft_with_defaults_is() {
    let Some((store, client, url)) = shop().await else {
        return;
    };
    let id = by_sql(&client, &url, "'t', '[1]'").await.unwrap().unwrap();
    let found = record(&store, id).await.unwrap();
    let plain = draft();
    assert_eq!(found.options, Options::default());
    assert_eq!((&found.task, &found.queue), (&plain.task, &plain.queue));
    assert_eq!(
        (&found.payload, found.priority),
        (&plain.payload, plain.priority)
    );
    let nulls =
        "'t', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL";
    let id = by_sql(&client, &url, nulls).await.unwrap().unwrap();
    let found = record(&store, id).await.unwrap();
    assert_eq!(found.options, Options::default());
    assert_eq!(found.payload, Payload::json("[]"));

    let worker = Worker::join(open(&url)).await;
    let claimed = worker.try_claim(9, every_t()).await.unwrap();
    assert_eq!(claimed.len(), 2);
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn plain_sql_sets_whatever_a_draft_can_set() {
    let Some((store, client, url)) = shop().await else {
        return;
    };
    let id = MessageId::new();
    let call = format!(
        "task => 'mail.send', payload => '{{\"to\": \"\u{e9}\"}}', queue => 'mail', priority => 4294967295, \
         delay => '90 seconds', id => '{id}', max_retries => 7, timeout => '1500 ms', \
         mechanism => 'thread', result_ttl => '2 h', expires_in => '1 day', metadata => '{{\"user\": 7}}', \
         backoff => '{{\"algorithm\": \"ConstantBackoff\", \"parameters\": {{\"constant\": 5000}}}}'"
    );
    assert_eq!(by_sql(&client, &url, &call).await.unwrap(), Some(id));
    let found = record(&store, id).await.unwrap();
    assert_eq!(found.state, State::Scheduled);
    assert_eq!(found.priority, u32::MAX);
    assert_eq!(found.queue.as_str(), "mail");
    assert_eq!(
        &found.payload.bytes()[..],
        "{\"to\": \"\u{e9}\"}".as_bytes()
    );
    assert_eq!(
        serde_json::to_value(&found.options).unwrap(),
        serde_json::json!({
            "timeout_ms": 1_500, "retries": {"at_most": 7}, "mechanism": "thread",
            "result_ttl_ms": 7_200_000, "expires_in_ms": 86_400_000, "metadata": {"user": 7},
            "backoff": {"algorithm": "ConstantBackoff", "parameters": {"constant": 5000}},
        })
    );
    let call = "'t', retry_forever => true, at => to_timestamp(4102444800)";
    let id = by_sql(&client, &url, call).await.unwrap().unwrap();
    let found = record(&store, id).await.unwrap();
    assert_eq!(found.options.retries, towpath_core::Retries::Unlimited);
    assert_eq!(found.due_at.as_millis(), 4_102_444_800_000);
}

#[tokio::test]
async fn plain_sql_is_refused_in_words_at_every_limit() {
    let Some((store, client, url)) = shop().await else {
        return;
    };
    let check = async |call: &str, expected: &str| {
        let error = by_sql(&client, &url, call).await.expect_err(call);
        assert!(error.contains(expected), "{call}: {error}");
    };
    check("NULL", "the task name is empty").await;
    check("''", "the task name is empty").await;
    check("repeat('x', 256)", "256 bytes, the limit is 255").await;
    check("E'a\\nb'", "control character").await;
    check("U&'a\\0085b'", "control character").await;
    check("'t', queue => ''", "the queue name is empty").await;
    check("'t', queue => repeat('\u{e9}', 128)", "256 bytes").await;
    check(
        "'t', to_jsonb(repeat('x', 1048576))",
        "1048578 bytes, the limit is 1048576",
    )
    .await;
    let deep = "(repeat('[', 129) || repeat(']', 129))::jsonb";
    check(&format!("'t', {deep}"), "deeper than 128").await;
    check("'t', priority => -1", "from 0, which runs first").await;
    check("'t', priority => 4294967296", "to 4294967295").await;
    check("'t', delay => '-1 s'", "less than nothing").await;
    check("'t', delay => '11 years'", "ten years").await;
    check("'t', at => 'infinity'", "it is a time").await;
    check("'t', at => now(), delay => '1 s'", "one start").await;
    check("'t', max_retries => -1", "max_retries is -1").await;
    check("'t', timeout => '0'", "the timeout is zero").await;
    check("'t', timeout => '11 years'", "ten years").await;
    check("'t', result_ttl => '11 years'", "the result_ttl").await;
    check("'t', expires_in => '11 years'", "the expires_in").await;
    check("'t', mechanism => 'fibre'", "async or thread").await;
    check("'t', metadata => '[]'", "it is an object").await;
    let large = "jsonb_build_object('a', repeat('x', 65536))";
    check(&format!("'t', metadata => {large}"), "the limit is 65536").await;
    check("'t', backoff => '{\"algorithm\": 1}'", "the backoff is").await;
    assert_eq!(store.counts().await.unwrap().ready, 0);

    // At the limits it is not.
    let brackets = "to_jsonb(repeat('[', 500) || '\\\"')";
    let deep = "(repeat('[', 128) || repeat(']', 128))::jsonb";
    for call in [
        "repeat('x', 255)",
        "'t', to_jsonb(repeat('x', 1048574))",
        "'t', timeout => '3660 days'",
    ] {
        by_sql(&client, &url, call).await.unwrap();
    }
    for payload in [brackets, deep] {
        by_sql(&client, &url, &format!("'t', {payload}"))
            .await
            .unwrap();
    }
    let listed = store.counts().await.unwrap().ready;
    assert_eq!(listed, 5);
}

#[tokio::test]
async fn plain_sql_keeps_to_the_transaction_and_to_one_message_per_id() {
    let Some((store, mut client, url)) = shop().await else {
        return;
    };
    let id = MessageId::new();
    let call = format!("'t', id => '{id}'");
    client.batch_execute("BEGIN").await.unwrap();
    by_sql(&client, &url, &call).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(record(&store, id).await.is_none());
    assert_eq!(by_sql(&client, &url, &call).await.unwrap(), Some(id));
    let error = by_sql(&client, &url, &call).await.unwrap_err();
    assert!(
        error.contains(&format!("message {id} is already in the store")),
        "{error}"
    );
    let again = format!("{call}, skip_known => true");
    assert_eq!(by_sql(&client, &url, &again).await.unwrap(), None);

    // And both ways meet in one transaction.
    let transaction = client.transaction().await.unwrap();
    let mut theirs = Draft::new(TaskName::new("t").unwrap(), Payload::json("[]"));
    theirs.id = id;
    let refused = store.submit_in(&transaction, vec![theirs]).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::AlreadyExists);
}
