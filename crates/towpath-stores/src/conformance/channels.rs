//! Channels: what is published is told, at most once, to those who listen.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Subscription};
use towpath_core::{CodecName, Kind, Payload, Store, limits};

use super::Harness;
use super::words::kind;

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

fn value(n: usize) -> Payload {
    Payload::json(n.to_string())
}

async fn subscribe(store: &Arc<dyn Store>, name: &str) -> Box<dyn Subscription> {
    store.kv().subscribe(channel(name)).await.unwrap()
}

async fn publish(store: &Arc<dyn Store>, name: &str, value: Payload) {
    store.kv().publish(channel(name), value).await.unwrap();
}

/// What is heard next; a bound on the wait, so that a case that fails does not hang.
async fn next(listener: &mut Box<dyn Subscription>) -> Heard {
    let heard = tokio::time::timeout(Duration::from_secs(30), listener.next()).await;
    heard.expect("something should have been heard").unwrap()
}

pub async fn a_published_value_is_heard_by_all_who_listen(h: &Harness) {
    let codec = CodecName::new("msgpack").unwrap();
    let value = Payload::new(codec, vec![0, 255]);
    let other = h.another();
    let mut listeners = [
        subscribe(&h.store, "c").await,
        subscribe(&h.store, "c").await,
        subscribe(&other, "c").await,
    ];
    publish(&h.store, "c", value.clone()).await;
    for listener in &mut listeners {
        assert_eq!(next(listener).await, Heard::Value(value.clone()));
    }
}

pub async fn another_handle_is_heard_too(h: &Harness) {
    let other = h.another();
    let mut listener = subscribe(&h.store, "c").await;
    for n in 0..3 {
        publish(&other, "c", value(n)).await;
        assert_eq!(next(&mut listener).await, Heard::Value(value(n)));
    }
}

pub async fn the_values_of_one_publisher_are_heard_in_order(h: &Harness) {
    let mut listener = subscribe(&h.store, "c").await;
    for n in 0..200 {
        publish(&h.store, "c", value(n)).await;
    }
    for n in 0..200 {
        assert_eq!(next(&mut listener).await, Heard::Value(value(n)));
    }
}

pub async fn what_was_published_before_is_not_heard(h: &Harness) {
    publish(&h.store, "c", value(1)).await;
    let mut listener = subscribe(&h.store, "c").await;
    publish(&h.store, "c", value(2)).await;
    assert_eq!(next(&mut listener).await, Heard::Value(value(2)));
}

pub async fn other_channels_are_not_heard(h: &Harness) {
    let mut listener = subscribe(&h.store, "c*").await;
    publish(&h.store, "c", value(1)).await;
    publish(&h.store, "cc", value(2)).await;
    publish(&h.store, "c*", value(3)).await;
    assert_eq!(next(&mut listener).await, Heard::Value(value(3)));
}

pub async fn a_wait_that_was_dropped_misses_nothing(h: &Harness) {
    let mut listener = subscribe(&h.store, "c").await;
    let mut heard = Vec::new();
    for n in 0..20 {
        drop(listener.next());
        publish(&h.store, "c", value(n)).await;
        // As a `select` does that went another way, unless there was something to hear at once.
        let wait = pin!(listener.next());
        if let Poll::Ready(at_once) = wait.poll(&mut Context::from_waker(Waker::noop())) {
            heard.push(at_once.unwrap());
        }
    }
    while heard.len() < 20 {
        heard.push(next(&mut listener).await);
    }
    let published: Vec<_> = (0..20).map(|n| Heard::Value(value(n))).collect();
    assert_eq!(heard, published);
}

pub async fn a_wait_that_has_begun_is_ended_by_a_value(h: &Harness) {
    let mut listener = subscribe(&h.store, "c").await;
    let waiting = tokio::spawn(async move { next(&mut listener).await });
    tokio::task::yield_now().await;
    publish(&h.store, "c", value(1)).await;
    assert_eq!(waiting.await.unwrap(), Heard::Value(value(1)));
}

pub async fn who_is_too_slow_is_told_how_much_he_missed(h: &Harness) {
    let mut listener = subscribe(&h.store, "c").await;
    let published = limits::PUBLISHED_KEPT * 2;
    for n in 0..published {
        publish(&h.store, "c", value(n)).await;
    }
    // The last must be heard whatever was missed; and what was missed and what was heard are all.
    let (mut heard, mut missed) = (0, 0);
    loop {
        match next(&mut listener).await {
            Heard::Lagged(lagged) => missed += lagged,
            Heard::Value(last) => {
                heard += 1;
                if last == value(published - 1) {
                    break;
                }
            }
        }
    }
    assert_eq!(heard + missed, published as u64);
    assert!(
        missed > 0,
        "nothing was missed, so it was kept without a bound"
    );
}

pub async fn the_largest_value_is_published(h: &Harness) {
    let mut listener = subscribe(&h.store, "c").await;
    let json = format!("\"{}\"", "x".repeat(limits::PUBLISHED_BYTES - 2));
    publish(&h.store, "c", Payload::json(json.clone())).await;
    assert_eq!(next(&mut listener).await, Heard::Value(Payload::json(json)));
}

pub async fn who_listens_to_a_closed_store_is_told(h: &Harness) {
    let mut listener = subscribe(&h.store, "c").await;
    let waiting = tokio::spawn(async move { listener.next().await });
    tokio::task::yield_now().await;
    h.store.close().await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    let told = told.expect("who waits should be told").unwrap();
    assert_eq!(kind(told), Kind::Stopped);
    let published = h.store.kv().publish(channel("c"), value(1)).await;
    assert_eq!(kind(published), Kind::Stopped);
}
