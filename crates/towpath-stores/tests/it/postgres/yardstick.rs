//! The bare loops do what the store does with the same messages.

use towpath_core::store::Bare;
use towpath_core::{MessageId, StoreUrl};

use super::place::{given, open};

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
