//! The bare loops do what the store does with the same messages.

use towpath_core::store::Bare;
use towpath_core::{MessageId, StoreUrl};

use super::place::{beside, given, open};

/// Fills and empties a fresh bare loop, by the hundred, on a thread that has no runtime.
fn run(url: StoreUrl, bare: Bare) -> Vec<usize> {
    let work = move || {
        let opened = towpath_stores::yardstick(&url, bare);
        let mut loops = opened.unwrap().expect("Postgres has one");
        let ids: Vec<MessageId> = (0..250).map(|_| MessageId::new()).collect();
        for ids in ids.chunks(100) {
            loops.submit(ids, b"\"payload\"").unwrap();
        }
        (0..4).map(|_| loops.exchange(100).unwrap()).collect()
    };
    std::thread::spawn(work).join().unwrap()
}

#[tokio::test]
async fn the_own_loop_leaves_what_the_store_leaves() {
    let Some(url) = given() else { return };
    assert_eq!(run(url.clone(), Bare::Own), [100, 100, 50, 0]);
    let store = open(&url);
    let counts = store.counts().await.unwrap();
    assert_eq!(
        (counts.succeeded, counts.ready, counts.running),
        (250, 0, 0)
    );
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn the_limit_takes_each_message_once() {
    let Some(url) = given() else { return };
    assert_eq!(run(url, Bare::Limit), [100, 100, 50, 0]);
}

/// The bench opens, clears and drops them from its tasks, which must not wait for another runtime.
#[tokio::test]
async fn a_bare_loop_comes_and_goes_within_a_task() {
    let Some(url) = given() else { return };
    for bare in [Bare::Own, Bare::Limit] {
        let opened = towpath_stores::yardstick(&url, bare);
        let mut bare = opened.unwrap().expect("Postgres has one");
        bare.clear().unwrap();
    }
    let (client, schema) = (beside(&url).await, url.namespace().as_str());
    let sql = "SELECT to_regnamespace(quote_ident($1)) IS NULL";
    let told = client.query_one(sql, &[&schema]).await.unwrap();
    assert!(told.get::<_, bool>(0), "the schema is gone");
}

/// How many snapshots of that kind are held on the server, asked within a namespace.
async fn snapshots(url: &StoreUrl) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' \
       AND backend_xmin IS NOT NULL AND query LIKE '%held by the bench%'";
    let row = beside(url).await.query_one(sql, &[]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn a_snapshot_is_held_until_it_is_dropped() {
    let Some(url) = given() else { return };
    let at = url.clone();
    let mut own = std::thread::spawn(move || {
        let mut own = towpath_stores::yardstick(&at, Bare::Own).unwrap().unwrap();
        let empty = own.hot_bytes().unwrap().expect("Postgres tells");
        let ids: Vec<MessageId> = (0..1_000).map(|_| MessageId::new()).collect();
        own.submit(&ids, b"\"payload\"").unwrap();
        let filled = own.hot_bytes().unwrap().expect("Postgres tells");
        assert!(filled.tables > empty.tables, "{empty:?} {filled:?}");
        assert!(filled.indexes > empty.indexes, "{empty:?} {filled:?}");
        assert_eq!(own.hold_snapshot().unwrap(), Some(()));
        own
    })
    .join()
    .unwrap();
    assert_eq!(snapshots(&url).await, 1);
    std::thread::spawn(move || own.drop_snapshot().map(|()| own))
        .join()
        .unwrap()
        .unwrap();
    assert_eq!(snapshots(&url).await, 0);
}
