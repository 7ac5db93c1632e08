//! Limits: what is allowed works, what is beyond is refused whole, and a closed store is closed.

use std::time::Duration;

use towpath_core::store::{SettleRequest, Topic};
use towpath_core::{Kind, State, limits};

use super::Harness;
use super::words::{after, card, done, draft, drafts, kind, kinds, only, rung};

pub async fn the_largest_batch_goes_through_a_whole_life(h: &Harness) {
    let sent = h.submit(drafts(limits::BATCH)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(limits::BATCH, only("t")).await;
    assert_eq!(claimed.len(), sent.len());
    let items = claimed.iter().map(|message| (message.token(), done()));
    let settled = worker.settle_all(items.collect::<Vec<_>>()).await;
    assert!(settled.items.iter().all(Result::is_ok));
    assert_eq!(h.counts().await.succeeded, limits::BATCH as u64);
}

pub async fn a_batch_beyond_the_limit_is_refused_whole(h: &Harness) {
    let too_many = drafts(limits::BATCH + 1);
    let answer = h.store.submit(too_many).await;
    assert_eq!(kind(answer), Kind::Invalid);
    assert_eq!(h.counts().await.ready, 0);

    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    let item = towpath_core::store::Settle {
        token: message.token(),
        started_at: None,
        verdict: done(),
        unlock: Vec::new(),
    };
    let request = SettleRequest {
        incarnation: worker.incarnation,
        items: vec![item; limits::BATCH + 1],
        claim: None,
    };
    assert_eq!(kind(h.store.settle(request).await), Kind::Invalid);
    assert_eq!(h.state(message.id).await, State::Running);
}

pub async fn a_claim_hands_out_at_most_one_batch(h: &Harness) {
    h.submit(drafts(limits::BATCH)).await;
    h.submit(drafts(1)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(usize::MAX, only("t")).await;
    assert_eq!(claimed.len(), limits::BATCH);
}

pub async fn the_longest_delay_is_kept(h: &Harness) {
    let id = h.submit_one(after(draft("t"), limits::LONGEST)).await;
    let record = h.record(id).await;
    assert_eq!(record.due_at, h.now().after(limits::LONGEST));
    assert_eq!(record.state, State::Scheduled);
}

pub async fn a_closed_store_says_that_it_is_stopped(h: &Harness) {
    let store = &h.store;
    for _ in 0..2 {
        store.close().await.unwrap();
    }
    let id = towpath_core::MessageId::new();
    let incarnation = towpath_core::IncarnationId::new();
    assert_eq!(kind(store.submit(drafts(1)).await), Kind::Stopped);
    assert_eq!(
        kind(store.join(card(incarnation), Duration::from_secs(1)).await),
        Kind::Stopped
    );
    assert_eq!(kind(store.get(vec![id]).await), Kind::Stopped);
    assert_eq!(kind(store.revoke(vec![id], false).await), Kind::Stopped);
    assert_eq!(kind(store.promote(1).await), Kind::Stopped);
    assert_eq!(kind(store.counts().await), Kind::Stopped);
}

pub async fn closing_one_handle_leaves_the_others_open(h: &Harness) {
    let other = h.another();
    h.store.close().await.unwrap();
    let answers = other.submit(drafts(1)).await.unwrap();
    assert_eq!(kinds(answers), [None]);
    let mut watch = other.watch(Topic::Work);
    other.submit(drafts(1)).await.unwrap();
    rung(&mut watch, Topic::Work).await;
}

pub async fn a_repeated_call_that_was_answered_does_nothing_twice(h: &Harness) {
    let draft = draft("t");
    let first = h.store.submit(vec![draft.clone()]).await.unwrap();
    let again = h.store.submit(vec![draft.clone()]).await.unwrap();
    assert_eq!(kinds(first), [None]);
    assert_eq!(kinds(again), [Some(Kind::AlreadyExists)]);
    let removed = h.store.remove(vec![draft.id]).await.unwrap();
    let again = h.store.remove(vec![draft.id]).await.unwrap();
    assert_eq!(kinds(removed), [None]);
    assert_eq!(kinds(again), [Some(Kind::NotFound)]);
}

pub async fn a_dropped_future_leaves_the_store_whole(h: &Harness) {
    for _ in 0..5 {
        drop(h.store.submit(drafts(3)));
        drop(h.store.promote(10));
    }
    let counts = h.counts().await;
    assert_eq!(counts.ready % 3, 0);
    assert_eq!(h.store.doctor().await.unwrap(), []);
}
