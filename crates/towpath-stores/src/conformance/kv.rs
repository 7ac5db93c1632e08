//! Values: kept by key in buckets, for a time or until they are deleted.

use std::time::Duration;

use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Entry, KeyRecord, KvStore, Replace, Ttl};
use towpath_core::{CodecName, Kind, Payload, limits};

use super::Harness;
use super::words::{kind, kinds};

const SECOND: Duration = Duration::from_secs(1);

fn kv(h: &Harness) -> &dyn KvStore {
    h.store.kv()
}

pub(super) fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

pub(super) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn keys<const N: usize>(names: [&str; N]) -> Vec<Key> {
    names.into_iter().map(key).collect()
}

fn entry(name: &str, json: &str) -> Entry {
    Entry {
        key: key(name),
        value: Payload::json(json.as_bytes().to_vec()),
        ttl: Ttl::Keep,
        replace: Replace::Any,
    }
}

fn lasting(entry: Entry, ttl: Ttl) -> Entry {
    Entry { ttl, ..entry }
}

fn absent(entry: Entry) -> Entry {
    Entry {
        replace: Replace::Absent,
        ..entry
    }
}

async fn set(h: &Harness, entries: impl IntoIterator<Item = Entry>) {
    let entries = entries.into_iter().collect();
    for answer in kv(h).set(bucket("b"), entries).await.unwrap() {
        answer.unwrap();
    }
}

/// The JSON text of a value of bucket `b`.
async fn get(h: &Harness, name: &str) -> Option<String> {
    let mut values = kv(h).get(bucket("b"), vec![key(name)]).await.unwrap();
    let value = values.pop().expect("one answer per key")?;
    Some(String::from_utf8(value.bytes().to_vec()).unwrap())
}

async fn look(h: &Harness, name: &str) -> Option<KeyRecord> {
    let looked = kv(h).look(bucket("b"), vec![key(name)]).await.unwrap();
    looked[0]
}

async fn scan(h: &Harness, prefix: &str, after: Option<&str>, max: usize) -> Vec<String> {
    let after = after.map(key);
    let found = kv(h).scan(bucket("b"), prefix.to_owned(), after, max).await;
    let names = found.unwrap().into_iter().map(String::from);
    names.collect()
}

pub async fn a_value_is_kept_as_it_was_set_with_its_codec(h: &Harness) {
    let codec = CodecName::new("msgpack").unwrap();
    let value = Payload::new(codec, vec![0, 255, 10]);
    let entry = Entry {
        value: value.clone(),
        ..entry("a", "")
    };
    set(h, [entry]).await;
    let read = kv(h).get(bucket("b"), keys(["a", "c"])).await.unwrap();
    assert_eq!(read, [Some(value), None]);
}

pub async fn a_later_value_replaces_the_one_before(h: &Harness) {
    set(h, [entry("a", "1"), entry("a", "2")]).await;
    assert_eq!(get(h, "a").await.as_deref(), Some("2"));
    set(h, [entry("a", "3")]).await;
    assert_eq!(get(h, "a").await.as_deref(), Some("3"));
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), 1);
}

pub async fn set_if_absent_keeps_the_first(h: &Harness) {
    let entries = vec![absent(entry("a", "1")), absent(entry("a", "2"))];
    let answers = kv(h).set(bucket("b"), entries).await.unwrap();
    assert_eq!(kinds(answers), [None, Some(Kind::AlreadyExists)]);
    assert_eq!(get(h, "a").await.as_deref(), Some("1"));
}

pub async fn of_many_who_set_if_absent_one_succeeds(h: &Harness) {
    let stores: Vec<_> = (0..4).map(|_| h.another()).collect();
    let tries = stores.into_iter().enumerate().map(|(n, store)| {
        tokio::spawn(async move {
            let entry = absent(entry("a", &n.to_string()));
            let answers = store.kv().set(bucket("b"), vec![entry]).await.unwrap();
            answers[0].is_ok()
        })
    });
    let mut succeeded = 0;
    for one in tries.collect::<Vec<_>>() {
        succeeded += usize::from(one.await.unwrap());
    }
    assert_eq!(succeeded, 1);
}

pub async fn a_value_with_a_ttl_goes_by_itself(h: &Harness) {
    set(
        h,
        [lasting(entry("a", "1"), Ttl::For(SECOND)), entry("c", "2")],
    )
    .await;
    let expires_at = Some(h.now().after(SECOND));
    let size = 1;
    assert_eq!(look(h, "a").await, Some(KeyRecord { size, expires_at }));
    h.advance(SECOND - Duration::from_millis(1));
    assert_eq!(get(h, "a").await.as_deref(), Some("1"));
    h.advance(Duration::from_millis(1));
    assert_eq!(get(h, "a").await, None);
    assert_eq!(look(h, "a").await, None);
    assert_eq!(scan(h, "", None, 10).await, ["c"]);
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), 1);
    let deleted = kv(h).delete(bucket("b"), keys(["a"])).await.unwrap();
    assert_eq!(deleted, [false]);
    set(h, [absent(entry("a", "3"))]).await;
    assert_eq!(get(h, "a").await.as_deref(), Some("3"));
}

pub async fn a_new_value_keeps_the_ttl_unless_it_says_otherwise(h: &Harness) {
    set(h, [lasting(entry("a", "1"), Ttl::For(SECOND))]).await;
    let expires_at = Some(h.now().after(SECOND));
    set(h, [entry("a", "22")]).await;
    let size = 2;
    assert_eq!(look(h, "a").await, Some(KeyRecord { size, expires_at }));
    set(h, [lasting(entry("a", "22"), Ttl::Never)]).await;
    let expires_at = None;
    assert_eq!(look(h, "a").await, Some(KeyRecord { size, expires_at }));
}

pub async fn what_had_expired_leaves_no_ttl_behind(h: &Harness) {
    set(h, [lasting(entry("a", "1"), Ttl::For(SECOND))]).await;
    h.advance(SECOND);
    set(h, [entry("a", "2")]).await;
    let found = look(h, "a").await.unwrap();
    assert_eq!(found.expires_at, None);
}

pub async fn a_ttl_can_be_given_and_taken_later(h: &Harness) {
    set(h, [entry("a", "1")]).await;
    let expire = |ttl| kv(h).expire(bucket("b"), keys(["a", "c"]), ttl);
    assert_eq!(expire(Ttl::For(SECOND)).await.unwrap(), [true, false]);
    assert_eq!(expire(Ttl::Keep).await.unwrap(), [true, false]);
    let expires_at = Some(h.now().after(SECOND));
    assert_eq!(look(h, "a").await.unwrap().expires_at, expires_at);
    assert_eq!(expire(Ttl::Never).await.unwrap(), [true, false]);
    h.advance(SECOND);
    assert_eq!(get(h, "a").await.as_deref(), Some("1"));
    expire(Ttl::For(SECOND)).await.unwrap();
    h.advance(SECOND);
    assert_eq!(expire(Ttl::Never).await.unwrap(), [false, false]);
    assert_eq!(get(h, "a").await, None);
}

pub async fn a_deleted_value_is_gone(h: &Harness) {
    set(
        h,
        [entry("a", "1"), lasting(entry("c", "2"), Ttl::For(SECOND))],
    )
    .await;
    let delete = || kv(h).delete(bucket("b"), keys(["c", "d", "c"]));
    assert_eq!(delete().await.unwrap(), [true, false, false]);
    assert_eq!(delete().await.unwrap(), [false; 3]);
    assert_eq!(scan(h, "", None, 10).await, ["a"]);
}

pub async fn a_scan_goes_through_the_keys_of_a_prefix_in_order(h: &Harness) {
    for name in ["b", "a:2", "a:10", "a", "a;", "ä", "a:1", "A"] {
        set(h, [entry(name, "0")]).await;
    }
    let all = ["A", "a", "a:1", "a:10", "a:2", "a;", "b", "ä"];
    assert_eq!(scan(h, "", None, 100).await, all);
    assert_eq!(scan(h, "a:", None, 100).await, ["a:1", "a:10", "a:2"]);
    assert_eq!(scan(h, "a:", None, 2).await, ["a:1", "a:10"]);
    assert_eq!(scan(h, "a:", Some("a:10"), 2).await, ["a:2"]);
    assert_eq!(scan(h, "a:", Some("a"), 1).await, ["a:1"]);
    assert_eq!(scan(h, "a:", Some("b"), 1).await, [] as [&str; 0]);
    assert_eq!(scan(h, "z", None, 1).await, [] as [&str; 0]);
}

pub async fn the_names_of_keys_are_only_names(h: &Harness) {
    for name in ["%", "_", "*", "a%", "'; DROP TABLE value; --", "{x}"] {
        set(h, [entry(name, "0")]).await;
        assert_eq!(scan(h, name, None, 2).await, [name]);
    }
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), 6);
}

pub async fn a_window_of_a_scan_has_an_end(h: &Harness) {
    let names: Vec<String> = (0..limits::WINDOW + 1).map(|n| format!("{n:04}")).collect();
    for some in names.chunks(limits::KV_BATCH) {
        set(h, some.iter().map(|name| entry(name, "0"))).await;
    }
    let first = scan(h, "", None, usize::MAX).await;
    assert_eq!(first, names[..limits::WINDOW]);
    let rest = scan(h, "", first.last().map(String::as_str), usize::MAX).await;
    assert_eq!(rest, names[limits::WINDOW..]);
}

pub async fn buckets_have_nothing_to_do_with_each_other(h: &Harness) {
    set(h, [entry("a", "1")]).await;
    let other = kv(h).get(bucket("b2"), keys(["a"])).await.unwrap();
    assert_eq!(other, [None]);
    assert_eq!(kv(h).count(bucket("b2")).await.unwrap(), 0);
    let cleared = kv(h).clear(bucket("b2"), 10).await.unwrap();
    assert_eq!(cleared, 0);
    assert_eq!(get(h, "a").await.as_deref(), Some("1"));
}

pub async fn a_bucket_is_cleared_in_steps_with_its_sets(h: &Harness) {
    for n in 0..10 {
        set(h, [entry(&n.to_string(), "0")]).await;
    }
    let member = super::sets::member("m", 1.0);
    let added = kv(h).add(bucket("b"), key("s"), vec![member]).await;
    assert_eq!(added.unwrap(), [true]);
    let mut steps = Vec::new();
    while steps.last() != Some(&0) {
        steps.push(kv(h).clear(bucket("b"), 4).await.unwrap());
    }
    assert_eq!(steps, [4, 4, 3, 0]);
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), 0);
    assert_eq!(kv(h).len(bucket("b"), key("s")).await.unwrap(), 0);
}

pub async fn a_batch_of_keys_beyond_the_limit_is_refused_whole(h: &Harness) {
    let many = |len: usize| (0..len).map(|n| entry(&n.to_string(), "0")).collect();
    let names = |len: usize| (0..len).map(|n| key(&n.to_string())).collect::<Vec<_>>();
    let (all, too_many) = (limits::KV_BATCH, limits::KV_BATCH + 1);
    let refused = kv(h).set(bucket("b"), many(too_many)).await;
    assert_eq!(kind(refused), Kind::Invalid);
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), 0);
    kv(h).set(bucket("b"), many(all)).await.unwrap();
    let read = kv(h).get(bucket("b"), names(all)).await.unwrap();
    assert!(read.iter().all(Option::is_some));
    assert_eq!(
        kind(kv(h).get(bucket("b"), names(too_many)).await),
        Kind::Invalid
    );
    assert_eq!(
        kind(kv(h).look(bucket("b"), names(too_many)).await),
        Kind::Invalid
    );
    let refused = kv(h).expire(bucket("b"), names(too_many), Ttl::Never).await;
    assert_eq!(kind(refused), Kind::Invalid);
    let refused = kv(h).delete(bucket("b"), names(too_many)).await;
    assert_eq!(kind(refused), Kind::Invalid);
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), all as u64);
}

pub async fn the_largest_value_is_kept(h: &Harness) {
    let json = format!("\"{}\"", "x".repeat(limits::PAYLOAD_BYTES - 2));
    set(h, [entry("a", &json)]).await;
    assert_eq!(get(h, "a").await, Some(json));
}

pub async fn values_are_there_after_closing(h: &Harness) {
    set(h, [entry("a", "1")]).await;
    let again = h.reopen().await;
    let read = again.kv().get(bucket("b"), keys(["a"])).await.unwrap();
    assert_eq!(read, [Some(Payload::json("1"))]);
    assert_eq!(
        kind(kv(h).get(bucket("b"), keys(["a"])).await),
        Kind::Stopped
    );
}

pub async fn expired_values_do_not_become_ever_more(h: &Harness) {
    // Only what is there can be cleared: so it tells how much was left lying.
    for n in 0..20 {
        set(h, [lasting(entry(&n.to_string(), "0"), Ttl::For(SECOND))]).await;
        h.advance(SECOND);
    }
    let left = kv(h).clear(bucket("b"), 100).await.unwrap();
    assert!(left <= 2, "{left} values are left");
}
