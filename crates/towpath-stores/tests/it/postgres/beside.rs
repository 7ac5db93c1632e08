//! Values, channels and locks on a server that restarts and cuts connections, and many at once who are in each
//! other's way.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::name::{BucketName, ChannelName, Key, LockName, LockOwner};
use towpath_core::store::{
    Entry, Heard, LockRequest, LockToken, Locked, Member, Replace, Score, Subscription, Ttl,
};
use towpath_core::{Payload, Store};
use towpath_servers::PostgresServer;

use super::place::{beside, fresh, given, open};

/// Only bounds how long a broken store may make the test wait.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const ROUNDS: usize = 30;

async fn next(listener: &mut Box<dyn Subscription>) -> Heard {
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await;
    heard.expect("something is heard").unwrap()
}

fn channel() -> ChannelName {
    ChannelName::new("c").unwrap()
}

fn value(n: usize) -> Payload {
    Payload::json(n.to_string())
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn lock(store: &dyn Store, name: &str, ttl: Option<Duration>) -> Option<LockToken> {
    let request = LockRequest {
        name: LockName::new(name).unwrap(),
        owner: LockOwner::new("ada").unwrap(),
        ttl,
    };
    match store.locks().lock(request).await.unwrap() {
        Locked::Taken(token) => Some(token),
        Locked::Held(_) => None,
    }
}

#[tokio::test]
async fn a_subscriber_whose_listener_was_cut_off_hears_what_is_published_afterwards() {
    if given().is_none() {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let url = fresh(&server.url());
    let (store, other) = (open(&url), open(&url));
    let publish = |n| other.kv().publish(channel(), value(n));
    let mut listener = store.kv().subscribe(channel()).await.unwrap();
    publish(1).await.unwrap();
    assert_eq!(next(&mut listener).await, Heard::Value(value(1)));
    let beside = beside(&url).await;
    // What each connection that listens has last asked.
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE application_name = 'towpath' AND (query LIKE 'LISTEN %' OR query = 'SELECT 1')";
    for n in 2..5 {
        let killed: i64 = beside.query_one(cut, &[]).await.unwrap().get(0);
        assert!(killed > 0, "nobody listened");
        publish(n).await.unwrap();
        // It was written down, so not even this one is missed.
        assert_eq!(next(&mut listener).await, Heard::Value(value(n)));
        let again = async {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'";
            while beside.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        };
        tokio::time::timeout(PATIENCE, again)
            .await
            .expect("it listens again");
    }
}

#[tokio::test]
async fn a_lock_is_held_over_a_restart_of_the_server_and_its_fence_goes_on() {
    if given().is_none() {
        return;
    }
    let mut server = PostgresServer::start().unwrap();
    let url = fresh(&server.url());
    let before = open(&url);
    let first = lock(&*before, "a", Some(HOUR)).await.unwrap();
    let second = lock(&*before, "b", None).await.unwrap();
    before.close().await.unwrap();
    let restart = tokio::task::spawn_blocking(move || {
        server.stop().unwrap();
        server.start_again().unwrap();
        server
    });
    let _server = restart.await.unwrap();
    let store = open(&url);
    let held = vec![first.clone(), second.clone()];
    let names = held.iter().map(|token| token.name.clone()).collect();
    let holders = store.locks().holders(names).await.unwrap();
    let holders = holders.into_iter().map(|holder| holder.unwrap().token());
    assert_eq!(holders.collect::<Vec<_>>(), held);
    let later = lock(&*store, "c", None).await.unwrap();
    assert!(later.fence > second.fence, "{later:?} after {second:?}");
    let unlocked = store.locks().unlock(held).await.unwrap();
    assert_eq!(unlocked, [true, true]);
}

/// The numbers of a channel would be given out of order, and some be skipped by whoever listens, if publishers
/// did not wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_publishers_each_is_heard_in_order_and_whole() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 60;
    let Some(url) = given() else { return };
    let store = open(&url);
    let mut listener = store.kv().subscribe(channel()).await.unwrap();
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let store = open(&url);
        publishers.spawn(async move {
            for n in 0..EACH {
                let value = value(publisher * EACH + n);
                store.kv().publish(channel(), value).await.unwrap();
            }
        });
    }
    let mut heard = [0; PUBLISHERS];
    while heard.iter().sum::<usize>() < PUBLISHERS * EACH {
        let Heard::Value(said) = next(&mut listener).await else {
            panic!("something was missed after {heard:?}");
        };
        let said: usize = serde_json::from_slice(said.bytes()).unwrap();
        assert_eq!(
            said % EACH,
            heard[said / EACH],
            "of publisher {}",
            said / EACH
        );
        heard[said / EACH] += 1;
    }
    publishers.join_all().await;
}

/// The same keys, sets, locks and channels, named forwards and backwards.
async fn meddle(store: Arc<dyn Store>, back: bool) {
    let bucket = BucketName::new("b").unwrap();
    let mut names: Vec<Key> = (0..20).map(|n| key(&n.to_string())).collect();
    if back {
        names.reverse();
    }
    let (kv, locks) = (store.kv(), store.locks());
    for round in 0..ROUNDS {
        let entry = |name: &Key| Entry {
            key: name.clone(),
            value: value(round),
            // Some have expired as soon as they are there, and are swept by the others.
            ttl: Ttl::For(Duration::from_millis(round as u64 % 3)),
            replace: Replace::Any,
        };
        let entries = names.iter().map(entry).collect();
        kv.set(bucket.clone(), entries).await.unwrap();
        kv.expire(bucket.clone(), names.clone(), Ttl::Never)
            .await
            .unwrap();
        let member = |(place, name): (u32, &Key)| Member {
            score: Score::new(f64::from(place)).unwrap(),
            name: name.clone(),
        };
        let members = (0..).zip(&names).map(member).collect();
        kv.add(bucket.clone(), key("s"), members).await.unwrap();
        kv.pop(bucket.clone(), key("s"), 5).await.unwrap();
        kv.discard(bucket.clone(), key("s"), names.clone())
            .await
            .unwrap();
        kv.delete(bucket.clone(), names.clone()).await.unwrap();
        kv.clear(bucket.clone(), 7).await.unwrap();
        kv.publish(channel(), value(round)).await.unwrap();
        let mut tokens = Vec::new();
        for name in ["l1", "l2", "l3"] {
            tokens.extend(lock(&*store, name, Some(Duration::from_millis(20))).await);
        }
        if back {
            tokens.reverse();
        }
        let renewals = tokens.iter().map(|token| (token.clone(), Some(HOUR)));
        locks.renew(renewals.collect()).await.unwrap();
        let names = tokens.iter().map(|token| token.name.clone()).collect();
        locks.seize(names).await.unwrap();
        locks.unlock(tokens).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_beside_the_queue_never_waits_in_a_circle() {
    if given().is_none() {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let url = fresh(&server.url());
    let mut crowd = JoinSet::new();
    for back in [false, true, false, true] {
        crowd.spawn(meddle(open(&url), back));
    }
    crowd.join_all().await;
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let row = beside(&url).await.query_one(sql, &[]).await.unwrap();
    assert_eq!(
        row.get::<_, i64>(0),
        0,
        "verbs that the server had to break up"
    );
}
