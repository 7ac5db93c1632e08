//! Values, channels and locks on a server that restarts, cuts connections, and is looked into.

use std::time::Duration;

use towpath_core::name::{BucketName, ChannelName, Key, LockName, LockOwner};
use towpath_core::store::{
    Entry, Heard, LockRequest, LockToken, Locked, Member, Replace, Score, Subscription, Ttl,
};
use towpath_core::{Payload, Store};
use towpath_stores::redis::RedisStore;

use super::place::{command, connect, open, server};

/// Only bounds how long a broken store may make the test wait.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn next(listener: &mut Box<dyn Subscription>) -> Heard {
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await;
    heard.expect("something is heard").unwrap()
}

fn value(n: u32) -> Payload {
    Payload::json(n.to_string())
}

async fn take(store: &RedisStore, name: &str, ttl: Option<Duration>) -> LockToken {
    let request = LockRequest {
        name: LockName::new(name).unwrap(),
        owner: LockOwner::new("ada").unwrap(),
        ttl,
    };
    match store.locks().lock(request).await.unwrap() {
        Locked::Taken(token) => token,
        Locked::Held(record) => panic!("{record:?}"),
    }
}

#[tokio::test]
async fn a_subscriber_whose_connection_was_cut_hears_what_is_published_afterwards() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let channel = ChannelName::new("c").unwrap();
    let publish = |n| store.kv().publish(channel.clone(), value(n));
    let mut listener = store.kv().subscribe(channel.clone()).await.unwrap();
    publish(1).await.unwrap();
    assert_eq!(next(&mut listener).await, Heard::Value(value(1)));
    for n in 2..5 {
        command(&mut connect(&server), &["CLIENT", "KILL", "TYPE", "pubsub"]);
        assert_eq!(next(&mut listener).await, Heard::Lagged(0));
        publish(n).await.unwrap();
        assert_eq!(next(&mut listener).await, Heard::Value(value(n)));
    }
    // Who comes later was not there when the connection was lost.
    let mut late = store.kv().subscribe(channel.clone()).await.unwrap();
    publish(5).await.unwrap();
    assert_eq!(next(&mut late).await, Heard::Value(value(5)));
}

#[tokio::test]
async fn the_server_is_asked_only_for_channels_that_somebody_listens_to() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let subscribe = || store.kv().subscribe(ChannelName::new("c").unwrap());
    let (first, second) = (subscribe().await.unwrap(), subscribe().await.unwrap());
    let mut connection = connect(&server);
    let mut channels = || -> Vec<String> {
        let mut ask = redis::cmd("PUBSUB");
        ask.arg("CHANNELS").query(&mut connection).unwrap()
    };
    assert_eq!(channels(), ["{towpath:towpath}:channel:c"]);
    drop(first);
    store
        .kv()
        .publish(ChannelName::new("c").unwrap(), value(1))
        .await
        .unwrap();
    assert_eq!(channels(), ["{towpath:towpath}:channel:c"]);
    drop(second);
    let left = async {
        while !channels().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, left)
        .await
        .expect("the last has left");
    drop(subscribe().await.unwrap());
}

#[tokio::test]
async fn a_lock_is_held_over_a_restart_of_the_server_and_its_fence_goes_on() {
    let Some(mut server) = server() else { return };
    let store = open(&server);
    let held = [
        take(&store, "a", Some(HOUR)).await,
        take(&store, "b", None).await,
    ];
    server.stop().unwrap();
    server.start_again().unwrap();
    let store = open(&server);
    let names = held.iter().map(|token| token.name.clone()).collect();
    let holders = store.locks().holders(names).await.unwrap();
    for (token, holder) in held.iter().zip(holders) {
        assert_eq!(holder.map(|record| record.token()).as_ref(), Some(token));
    }
    let later = take(&store, "c", None).await;
    assert!(later.fence > held[1].fence, "{later:?} after {held:?}");
    let unlocked = store.locks().unlock(held.to_vec()).await.unwrap();
    assert_eq!(unlocked, [true, true]);
}

/// Values that go at a time and were deleted, cleared or expired, sets that were emptied in every way, locks
/// that were released: nothing of them stays but the last fence.
#[tokio::test]
async fn what_is_gone_leaves_no_key_behind() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let (bucket, key) = (BucketName::new("b").unwrap(), |name: &str| {
        Key::new(name).unwrap()
    });
    let entry = |name: &str, ttl| Entry {
        key: key(name),
        value: Payload::new(towpath_core::CodecName::new("msgpack").unwrap(), vec![1]),
        ttl: Ttl::For(ttl),
        replace: Replace::Any,
    };
    let over = Duration::ZERO;
    let other = BucketName::new("b2").unwrap();
    store
        .kv()
        .set(other, vec![entry("over", over)])
        .await
        .unwrap();
    let entries = vec![entry("a", HOUR), entry("c", HOUR), entry("over", over)];
    store.kv().set(bucket.clone(), entries).await.unwrap();
    store
        .kv()
        .delete(bucket.clone(), vec![key("a")])
        .await
        .unwrap();
    let member = |name: &str| Member {
        score: Score::new(1.0).unwrap(),
        name: key(name),
    };
    for set in ["popped", "discarded", "cleared"] {
        let members = vec![member("x"), member("y")];
        store
            .kv()
            .add(bucket.clone(), key(set), members)
            .await
            .unwrap();
    }
    store
        .kv()
        .pop(bucket.clone(), key("popped"), 5)
        .await
        .unwrap();
    let both = vec![key("x"), key("y")];
    store
        .kv()
        .discard(bucket.clone(), key("discarded"), both)
        .await
        .unwrap();
    assert_eq!(store.kv().clear(bucket.clone(), 100).await.unwrap(), 4);
    assert_eq!(store.kv().clear(bucket, 100).await.unwrap(), 0);
    let token = take(&store, "l", Some(HOUR)).await;
    store.locks().unlock(vec![token]).await.unwrap();
    let mut left: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut connect(&server))
        .unwrap();
    left.sort();
    assert_eq!(left, ["{towpath:towpath}:G", "{towpath:towpath}:j"]);
}
