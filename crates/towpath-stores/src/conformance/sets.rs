//! Sorted sets: members by their scores.

use towpath_core::name::Key;
use towpath_core::store::{KvStore, Member, Score};
use towpath_core::{Kind, limits};

use super::Harness;
use super::kv::{bucket, key};
use super::words::kind;

fn kv(h: &Harness) -> &dyn KvStore {
    h.store.kv()
}

pub(super) fn member(name: &str, score: f64) -> Member {
    Member {
        score: Score::new(score).unwrap(),
        name: key(name),
    }
}

async fn add(h: &Harness, members: &[(&str, f64)]) -> Vec<bool> {
    let members = members.iter().map(|(name, score)| member(name, *score));
    let added = kv(h).add(bucket("b"), key("s"), members.collect()).await;
    added.unwrap()
}

async fn range(h: &Harness, after: Option<Member>, max: usize) -> Vec<Member> {
    let range = kv(h).range(bucket("b"), key("s"), after, max).await;
    range.unwrap()
}

async fn names(h: &Harness) -> Vec<String> {
    let members = range(h, None, limits::WINDOW).await;
    members
        .into_iter()
        .map(|member| member.name.into())
        .collect()
}

async fn scores(h: &Harness, members: &[&str]) -> Vec<Option<f64>> {
    let members: Vec<Key> = members.iter().map(|name| key(name)).collect();
    let scores = kv(h).scores(bucket("b"), key("s"), members).await.unwrap();
    scores
        .into_iter()
        .map(|score| score.map(Score::get))
        .collect()
}

async fn len(h: &Harness) -> u64 {
    kv(h).len(bucket("b"), key("s")).await.unwrap()
}

pub async fn members_stand_by_score_then_by_name(h: &Harness) {
    let members = [("c", 1.0), ("b", -2.5), ("ä", 0.0), ("a", 1.0), ("z", 0.0)];
    assert_eq!(add(h, &members).await, [true; 5]);
    assert_eq!(names(h).await, ["b", "z", "ä", "a", "c"]);
    assert_eq!(len(h).await, 5);
}

pub async fn adding_again_changes_the_score(h: &Harness) {
    assert_eq!(
        add(h, &[("a", 1.0), ("b", 2.0), ("a", 3.0)]).await,
        [true, true, false]
    );
    assert_eq!(names(h).await, ["b", "a"]);
    assert_eq!(
        scores(h, &["a", "b", "c"]).await,
        [Some(3.0), Some(2.0), None]
    );
    assert_eq!(len(h).await, 2);
}

pub async fn scores_are_kept_to_the_last_bit(h: &Harness) {
    let numbers = [
        0.1 + 0.2,
        f64::MAX,
        f64::MIN_POSITIVE,
        -0.0,
        1e15 + 0.3,
        9_007_199_254_740_991.0,
        1.0 / 3.0,
    ];
    for (n, score) in numbers.into_iter().enumerate() {
        add(h, &[(&n.to_string(), score)]).await;
    }
    for (n, score) in numbers.into_iter().enumerate() {
        let read = scores(h, &[&n.to_string()]).await[0].unwrap();
        assert_eq!(read.to_bits(), (score + 0.0).to_bits(), "{score:e}");
    }
    let of_range = range(h, None, 100).await;
    assert!(of_range.is_sorted());
    assert_eq!(of_range.last().unwrap().score.get(), f64::MAX);
}

pub async fn a_range_goes_on_where_it_ended(h: &Harness) {
    add(h, &[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 2.0)]).await;
    let first = range(h, None, 2).await;
    assert_eq!(first, [member("a", 1.0), member("b", 1.0)]);
    let rest = range(h, first.last().cloned(), 10).await;
    assert_eq!(rest, [member("c", 1.0), member("d", 2.0)]);
    assert_eq!(
        range(h, Some(member("bb", 1.0)), 1).await,
        [member("c", 1.0)]
    );
    assert_eq!(range(h, rest.last().cloned(), 10).await, []);
    assert_eq!(range(h, None, 0).await, []);
}

pub async fn a_window_of_a_range_has_an_end(h: &Harness) {
    let all: Vec<Member> = (0..limits::WINDOW + 1)
        .map(|n| member(&format!("{n:04}"), 1.0))
        .collect();
    for some in all.chunks(limits::KV_BATCH) {
        kv(h)
            .add(bucket("b"), key("s"), some.to_vec())
            .await
            .unwrap();
    }
    assert_eq!(range(h, None, usize::MAX).await, all[..limits::WINDOW]);
    let popped = kv(h).pop(bucket("b"), key("s"), usize::MAX).await.unwrap();
    assert_eq!(popped, all[..limits::WINDOW]);
    assert_eq!(len(h).await, 1);
}

pub async fn what_is_discarded_is_gone(h: &Harness) {
    add(h, &[("a", 1.0), ("b", 2.0)]).await;
    let gone = ["a", "c", "a"].map(key).to_vec();
    let discarded = kv(h).discard(bucket("b"), key("s"), gone).await.unwrap();
    assert_eq!(discarded, [true, false, false]);
    assert_eq!(names(h).await, ["b"]);
}

pub async fn a_pop_takes_the_first(h: &Harness) {
    add(h, &[("a", 3.0), ("b", 1.0), ("c", 2.0)]).await;
    let pop = |max| kv(h).pop(bucket("b"), key("s"), max);
    assert_eq!(pop(2).await.unwrap(), [member("b", 1.0), member("c", 2.0)]);
    assert_eq!(scores(h, &["b"]).await, [None]);
    assert_eq!(pop(2).await.unwrap(), [member("a", 3.0)]);
    assert_eq!(pop(2).await.unwrap(), []);
    assert_eq!(len(h).await, 0);
}

pub async fn two_takers_get_different_members(h: &Harness) {
    let all: Vec<(String, f64)> = (0..40).map(|n| (format!("{n:02}"), f64::from(n))).collect();
    let all: Vec<(&str, f64)> = all.iter().map(|(name, score)| (&**name, *score)).collect();
    add(h, &all).await;
    let takers = [h.another(), h.another()].map(|store| {
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let some = store.kv().pop(bucket("b"), key("s"), 3).await.unwrap();
                if some.is_empty() {
                    return taken;
                }
                taken.extend(some);
            }
        })
    });
    let mut taken = Vec::new();
    for taker in takers {
        taken.extend(taker.await.unwrap());
    }
    taken.sort();
    let all: Vec<Member> = all
        .iter()
        .map(|(name, score)| member(name, *score))
        .collect();
    assert_eq!(taken, all);
}

pub async fn a_set_and_a_value_of_one_name_are_two_things(h: &Harness) {
    add(h, &[("a", 1.0)]).await;
    assert_eq!(
        kv(h).get(bucket("b"), vec![key("s")]).await.unwrap(),
        [None]
    );
    assert_eq!(kv(h).count(bucket("b")).await.unwrap(), 0);
    assert_eq!(kv(h).len(bucket("b2"), key("s")).await.unwrap(), 0);
    assert_eq!(kv(h).len(bucket("b"), key("s2")).await.unwrap(), 0);
    let deleted = kv(h).delete(bucket("b"), vec![key("s")]).await.unwrap();
    assert_eq!(deleted, [false]);
    assert_eq!(len(h).await, 1);
}

pub async fn a_batch_of_members_beyond_the_limit_is_refused_whole(h: &Harness) {
    let too_many = 0..limits::KV_BATCH + 1;
    let members: Vec<Member> = too_many.map(|n| member(&n.to_string(), 1.0)).collect();
    let names: Vec<Key> = members.iter().map(|member| member.name.clone()).collect();
    let set = || key("s");
    assert_eq!(
        kind(kv(h).add(bucket("b"), set(), members).await),
        Kind::Invalid
    );
    let refused = kv(h).scores(bucket("b"), set(), names.clone()).await;
    assert_eq!(kind(refused), Kind::Invalid);
    let refused = kv(h).discard(bucket("b"), set(), names).await;
    assert_eq!(kind(refused), Kind::Invalid);
    assert_eq!(len(h).await, 0);
}
