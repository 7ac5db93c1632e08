//! Large batches: submitted by plain inserts until one is known, and ended one by one however full the tables are.

use tokio::task::JoinSet;
use towpath_core::{Draft, Kind, MessageId, Result};
use towpath_stores::conformance::Worker;

use super::place::{beside, draft, every_t, given, open};

/// Enough to be worth plain inserts (functions/submit_batch.sql).
const MANY: usize = 40;

fn drafts(ids: &[MessageId]) -> Vec<Draft> {
    ids.iter().map(|id| Draft { id: *id, ..draft() }).collect()
}

fn fresh(count: usize) -> Vec<MessageId> {
    (0..count).map(|_| MessageId::new()).collect()
}

/// Which were accepted. The others are known, or the test fails.
fn accepted(answers: &[Result<()>]) -> Vec<bool> {
    let was_accepted = |answer: &Result<()>| match answer {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), Kind::AlreadyExists, "{error}");
            false
        }
    };
    answers.iter().map(was_accepted).collect()
}

#[tokio::test]
async fn of_a_large_batch_only_what_is_known_is_refused() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let known = fresh(MANY);
    let answers = store.submit(drafts(&known)).await.unwrap();
    assert_eq!(accepted(&answers), [true; MANY]);

    let mut ids = fresh(MANY);
    ids[7] = known[3];
    ids[MANY - 1] = ids[0];
    let answers = accepted(&store.submit(drafts(&ids)).await.unwrap());
    let expected = |at| at != 7 && at != MANY - 1;
    assert_eq!(answers, (0..MANY).map(expected).collect::<Vec<_>>());
    assert_eq!(store.counts().await.unwrap().ready, 2 * MANY as u64 - 2);
    assert_eq!(store.doctor().await.unwrap(), []);
}

/// Callers whose messages are written in one transaction do not fail for each other.
#[tokio::test]
async fn what_cannot_be_written_is_told_to_its_caller_alone() {
    let Some(url) = given() else { return };
    let store = open(&url);
    store.counts().await.unwrap();
    let ids = fresh(30);
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'not this one'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON message FOR EACH ROW \
         WHEN (NEW.id = '{}') EXECUTE FUNCTION refuse()",
        ids[17]
    );
    beside(&url).await.batch_execute(&refuse).await.unwrap();
    let mut callers = JoinSet::new();
    for (at, id) in ids.into_iter().enumerate() {
        let store = store.clone();
        callers.spawn(async move { (at, store.submit(drafts(&[id])).await) });
    }
    for (at, answer) in callers.join_all().await {
        if at == 17 {
            let error = answer.unwrap_err();
            assert!(error.to_string().contains("not this one"), "{error}");
        } else {
            assert_eq!(accepted(&answer.unwrap()), [true]);
        }
    }
    assert_eq!(store.counts().await.unwrap().ready, 29);
}

#[tokio::test]
async fn a_large_batch_is_claimed_in_its_own_order() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let mut ids = fresh(MANY);
    // Rows are written in the order of ids, places in lines are not.
    ids.reverse();
    store.submit(drafts(&ids)).await.unwrap();
    let worker = Worker::join(store).await;
    let claimed = worker.claim(MANY, every_t()).await;
    let claimed: Vec<MessageId> = claimed.iter().map(|message| message.draft.id).collect();
    assert_eq!(claimed, ids);
}

#[tokio::test]
async fn many_who_submit_the_same_large_batch_have_each_accepted_once() {
    let Some(url) = given() else { return };
    let ids = fresh(MANY);
    let mut submits = tokio::task::JoinSet::new();
    for shift in 0..6 {
        let (store, mut ids) = (open(&url), ids.clone());
        ids.rotate_left(shift * 5);
        submits.spawn(async move {
            let answers = store.submit(drafts(&ids)).await.unwrap();
            let accepted = accepted(&answers).into_iter().zip(ids);
            accepted
                .filter_map(|(accepted, id)| accepted.then_some(id))
                .collect::<Vec<_>>()
        });
    }
    let mut once: Vec<MessageId> = submits.join_all().await.concat();
    once.sort_unstable();
    let mut expected = ids;
    expected.sort_unstable();
    assert_eq!(once, expected);
    assert_eq!(open(&url).counts().await.unwrap().ready, MANY as u64);
}

/// Plans outlive the sizes that tables had when they were made: one that was good for a handful of attempts must
/// not walk through all attempts of a day with many.
#[tokio::test]
async fn an_end_looks_at_no_other_attempt_though_its_plan_was_made_for_few() {
    let Some(url) = given() else { return };
    let store = open(&url);
    let worker = Worker::join(store.clone()).await;
    let client = beside(&url).await;
    let session = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
      SET enable_mergejoin = off; SET plan_cache_mode = 'force_generic_plan'";
    client.batch_execute(session).await.unwrap();
    client
        .batch_execute("VACUUM ANALYZE inflight")
        .await
        .unwrap();
    let who = worker.incarnation.to_string();
    let succeed = |ids: Vec<String>| {
        let many = ids.len();
        let ids = ids.join(",");
        format!(
            "SELECT cardinality(succeed(NULL, '{who}', '{{{ids}}}', array_fill(1::bigint, ARRAY[{many}]), \
             '{{}}', array_fill(0::smallint, ARRAY[{many}]), '{{}}', '{{}}', '{{}}', 3600000))"
        )
    };
    // The plan is made while nothing is held.
    let nobody = succeed(vec![MessageId::new().to_string()]);
    client.query_one(&nobody, &[]).await.unwrap();

    let held = 1_000;
    store.submit(drafts(&fresh(held))).await.unwrap();
    let claimed = worker.claim(held, every_t()).await;
    let two = claimed[..2]
        .iter()
        .map(|message| message.draft.id.to_string());
    client.batch_execute("BEGIN").await.unwrap();
    let row = client
        .query_one(&succeed(two.collect()), &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 2);
    let looked_at = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) \
      FROM pg_stat_xact_user_tables WHERE schemaname = current_schema AND relname = 'inflight'";
    let row = client.query_one(looked_at, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 2, "of {held} attempts");
    client.batch_execute("COMMIT").await.unwrap();
}
