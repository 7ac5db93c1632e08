//! Values, sorted sets and channels as user code has them.

use std::time::Duration;

use towpath_core::name::CodecName;
use towpath_core::store::Ttl;
use towpath_core::{Kind, limits};
use towpath_runtime::{Broker, Lagged, blocking};

use crate::support::memory;

fn broker() -> Broker {
    Broker::new(memory())
}

#[tokio::test]
async fn values_are_written_and_read_as_they_are_in_rust() {
    let kv = broker().kv("b").unwrap();
    kv.set("a", "text", Ttl::Never).await.unwrap();
    assert_eq!(
        kv.get::<String>("a").await.unwrap().as_deref(),
        Some("text")
    );
    assert_eq!(kv.get::<u32>("c").await.unwrap(), None);
    let error = kv.get::<u32>("a").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Codec);

    let msgpack = CodecName::new("msgpack").unwrap();
    kv.clone()
        .with_codec(msgpack)
        .set("a", &(1, 2), Ttl::Keep)
        .await
        .unwrap();
    assert_eq!(kv.get::<(u8, u8)>("a").await.unwrap(), Some((1, 2)));
    assert!(kv.exists("a").await.unwrap());
    assert!(kv.delete("a").await.unwrap());
    assert!(!kv.exists("a").await.unwrap());
}

#[tokio::test]
async fn set_if_absent_says_whether_it_did() {
    let kv = broker().kv("b").unwrap();
    let set = |n: u32| {
        let kv = kv.clone();
        async move { kv.set_if_absent("a", &n, Ttl::Never).await.unwrap() }
    };
    assert!(set(1).await);
    assert!(!set(2).await);
    assert_eq!(kv.get::<u32>("a").await.unwrap(), Some(1));
}

#[tokio::test]
async fn ttls_are_given_looked_at_and_refused() {
    let broker = broker();
    let kv = broker.kv("b").unwrap();
    let hour = Duration::from_secs(3600);
    kv.set("a", &1, Ttl::For(hour)).await.unwrap();
    let expires_at = kv.look("a").await.unwrap().unwrap().expires_at.unwrap();
    let left = expires_at.since(broker.store().now().await.unwrap());
    assert!(left <= hour && left > hour / 2, "{left:?}");
    assert!(kv.expire("a", Ttl::Never).await.unwrap());
    assert_eq!(kv.look("a").await.unwrap().unwrap().expires_at, None);
    assert!(!kv.expire("c", Ttl::Never).await.unwrap());
    let error = kv.set("a", &1, Ttl::For(Duration::MAX)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[tokio::test]
async fn what_is_outside_its_limits_is_refused_before_anything_is_written() {
    let broker = broker();
    let kv = broker.kv("b").unwrap();
    let large = "x".repeat(limits::PAYLOAD_BYTES);
    let error = kv.set("a", &large, Ttl::Never).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("\"a\" has 1048578 bytes, the limit is 1048576"),
        "{text}"
    );
    assert_eq!(
        kv.set("", &1, Ttl::Never).await.unwrap_err().kind(),
        Kind::Invalid
    );
    assert_eq!(kv.count().await.unwrap(), 0);
    assert!(broker.kv("a\nb").is_err());
    let channel = broker.channel("c").unwrap();
    let error = channel
        .publish(&"x".repeat(limits::PUBLISHED_BYTES))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let set = kv.sorted_set("s").unwrap();
    assert_eq!(
        set.add("m", f64::NAN).await.unwrap_err().kind(),
        Kind::Invalid
    );
}

#[tokio::test]
async fn clearing_a_bucket_wants_its_name_again() {
    let kv = broker().kv("b").unwrap();
    for n in 0..2_500 {
        kv.set(format!("{n:04}"), &n, Ttl::Never).await.unwrap();
    }
    kv.sorted_set("s").unwrap().add("m", 1.0).await.unwrap();
    let error = kv.clear("c").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "to clear bucket \"b\", confirm with its name and not with \"c\""
    );
    assert_eq!(kv.count().await.unwrap(), 2_500);
    assert_eq!(kv.clear("b").await.unwrap(), 2_501);
    assert_eq!(kv.count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_sorted_set_is_read_in_windows_and_popped() {
    let set = broker().kv("b").unwrap().sorted_set("s").unwrap();
    for (name, score) in [("a", 2.0), ("b", 1.0), ("c", 1.0)] {
        assert!(set.add(name, score).await.unwrap());
    }
    let first = set.range(None, 2).await.unwrap();
    let rest = set.range(first.last(), 2).await.unwrap();
    assert_eq!(rest[0].name.as_str(), "a");
    assert_eq!(set.first().await.unwrap().as_ref(), first.first());
    assert_eq!(set.score("c").await.unwrap(), Some(1.0));
    assert_eq!(set.score("d").await.unwrap(), None);
    assert!(set.remove("c").await.unwrap());
    assert!(!set.remove("c").await.unwrap());
    assert_eq!(set.pop(10).await.unwrap().len(), 2);
    assert_eq!(set.len().await.unwrap(), 0);
}

#[tokio::test]
async fn a_subscriber_hears_values_and_what_he_missed() {
    let channel = broker().channel("c").unwrap();
    let mut subscriber = channel.subscribe().await.unwrap();
    channel.publish(&1).await.unwrap();
    assert_eq!(subscriber.next::<u32>().await.unwrap(), Ok(1));
    channel.publish("no number").await.unwrap();
    channel.publish(&2).await.unwrap();
    // Who cannot read one value hears the next.
    assert_eq!(
        subscriber.next::<u32>().await.unwrap_err().kind(),
        Kind::Codec
    );
    assert_eq!(subscriber.next::<u32>().await.unwrap(), Ok(2));
    for n in 0..limits::PUBLISHED_KEPT + 5 {
        channel.publish(&n).await.unwrap();
    }
    assert_eq!(subscriber.next::<usize>().await.unwrap(), Err(Lagged(5)));
    assert_eq!(subscriber.next::<usize>().await.unwrap(), Ok(5));
}

#[test]
fn plain_threads_have_values_sets_and_channels_too() {
    let broker = blocking::Broker::new(memory());
    let kv = broker.kv("b").unwrap();
    kv.set("a", &1, Ttl::Never).unwrap();
    assert!(!kv.set_if_absent("a", &2, Ttl::Never).unwrap());
    assert_eq!(kv.get::<u32>("a").unwrap(), Some(1));
    assert!(kv.exists("a").unwrap() && kv.expire("a", Ttl::Never).unwrap());
    assert_eq!(kv.scan("", None, 10).unwrap().len(), 1);
    assert_eq!(kv.look("a").unwrap().unwrap().size, 1);

    let set = kv.sorted_set("s").unwrap();
    assert!(set.add("m", 1.0).unwrap() && !set.add("m", 2.0).unwrap());
    assert_eq!(
        (set.score("m").unwrap(), set.len().unwrap()),
        (Some(2.0), 1)
    );
    assert_eq!(set.first().unwrap(), set.range(None, 1).unwrap().pop());
    assert_eq!(set.pop(1).unwrap().len(), 1);
    assert!(!set.remove("m").unwrap());
    assert_eq!((kv.clear("b").unwrap(), kv.count().unwrap()), (1, 0));

    let channel = broker.channel("c").unwrap();
    let mut subscriber = channel.subscribe().unwrap();
    let heard = std::thread::spawn(move || subscriber.next::<String>().unwrap());
    channel.publish("hello").unwrap();
    assert_eq!(heard.join().unwrap(), Ok("hello".to_owned()));
}
