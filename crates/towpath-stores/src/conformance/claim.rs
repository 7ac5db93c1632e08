//! Claim: how many, to whom, and what is passed over.

use std::time::Duration;

use towpath_core::store::Selection;
use towpath_core::{FailReason, IncarnationId, Kind, State, Status, limits};

use super::words::{
    after, any, done, draft, drafts, expiring, fail, ids, kind, of_queues, only, retry, snooze,
    with_priority,
};
use super::{Harness, Worker};

pub async fn a_claim_hands_out_at_most_what_was_asked_for(h: &Harness) {
    let sent = h.submit(drafts(5)).await;
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(2, only("t")).await), sent[..2]);
    assert!(worker.claim(0, only("t")).await.is_empty());
    assert_eq!(ids(&worker.claim(100, only("t")).await), sent[2..]);
}

pub async fn a_claim_ends_once_its_payloads_are_large_enough(h: &Harness) {
    let megabyte = format!("\"{}\"", "x".repeat(1_000_000));
    let large = |_| {
        let mut large = draft("t");
        large.payload = towpath_core::Payload::json(megabyte.clone());
        large
    };
    let sent = h.submit((0..7).map(large).collect::<Vec<_>>()).await;
    let worker = h.worker().await;
    // The one that passes the limit of 4 MiB is the last.
    assert_eq!(ids(&worker.claim(100, only("t")).await), sent[..5]);
    assert_eq!(ids(&worker.claim(100, only("t")).await), sent[5..]);
}

pub async fn a_claim_counts_and_names_its_worker(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    assert_eq!((message.id, message.counters.claims), (id, 1));
    let record = h.record(id).await;
    assert_eq!(record.status(), Status::Running);
    assert_eq!(record.worker.as_deref(), Some("host:7"));
    assert_eq!(record.token(), message.token());
    assert_eq!(record.message, message);
}

pub async fn each_claim_makes_a_greater_token(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let mut last = None;
    for expected in 1..=5 {
        let message = worker.claim_one().await;
        assert_eq!(message.counters.claims, expected);
        assert!(Some(message.token()) > last);
        last = Some(message.token());
        let release = towpath_core::store::Verdict::Release;
        worker.settle(message.token(), release).await.unwrap();
    }
}

pub async fn what_is_held_is_not_handed_out_again(h: &Harness) {
    h.submit(drafts(2)).await;
    let worker = h.worker().await;
    assert_eq!(worker.claim(9, only("t")).await.len(), 2);
    assert!(worker.claim(9, any(&["t"])).await.is_empty());
    let other = Worker::join(h.another()).await;
    assert!(other.claim(9, any(&["t"])).await.is_empty());
}

pub async fn an_empty_store_hands_out_nothing(h: &Harness) {
    let worker = h.worker().await;
    assert!(worker.claim(9, any(&["t"])).await.is_empty());
    assert!(worker.claim(9, only("t")).await.is_empty());
    assert!(
        worker
            .claim(9, Selection::Tasks(Vec::new()))
            .await
            .is_empty()
    );
}

pub async fn who_asks_for_no_task_gets_none(h: &Harness) {
    h.submit(drafts(1)).await;
    let worker = h.worker().await;
    assert!(worker.claim(9, any(&[])).await.is_empty());
    assert!(
        worker
            .claim(9, of_queues(&["default"], &[]))
            .await
            .is_empty()
    );
    assert!(worker.claim(9, of_queues(&[], &["t"])).await.is_empty());
}

pub async fn what_is_scheduled_or_ended_is_not_handed_out(h: &Harness) {
    let worker = h.worker().await;
    for state in [
        State::Scheduled,
        State::Succeeded,
        State::Failed,
        State::Revoked,
    ] {
        h.message_in(state, &worker).await;
    }
    assert!(worker.claim(9, any(&["t"])).await.is_empty());
}

pub async fn a_message_that_is_due_waits_for_its_promotion(h: &Harness) {
    let id = h
        .submit_one(after(draft("t"), Duration::from_secs(1)))
        .await;
    let worker = h.worker().await;
    h.advance(Duration::from_secs(2));
    h.store.promote(1).await.unwrap();
    assert_eq!(worker.claim_one().await.id, id);
}

pub async fn an_expired_message_is_never_handed_out(h: &Harness) {
    let late = h
        .submit((0..3).map(|_| expiring(draft("t"), Duration::from_secs(5))))
        .await;
    let fresh = h.submit(drafts(2)).await;
    h.advance(Duration::from_secs(6));
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(2, only("t")).await), fresh);
    for id in late {
        let record = h.record(id).await;
        assert_eq!(
            (record.state, record.reason),
            (State::Failed, Some(FailReason::Expired))
        );
        assert_eq!(
            (record.counters.claims, record.finished_at),
            (0, Some(h.now()))
        );
    }
}

pub async fn a_message_lost_twice_is_handed_out_alone(h: &Harness) {
    let suspect = lost_twice(h).await;
    h.submit((0..3).map(|_| with_priority(draft("t"), 9))).await;
    let worker = h.worker().await;
    let claimed = worker.claim(10, only("t")).await;
    assert_eq!(ids(&claimed), [suspect]);
    assert!(claimed[0].counters.claimed_alone());
    assert_eq!(worker.claim(10, only("t")).await.len(), 3);
}

pub async fn a_claim_stops_before_one_that_is_to_be_alone(h: &Harness) {
    let suspect = lost_twice(h).await;
    let before = h.submit((0..2).map(|_| with_priority(draft("t"), 0))).await;
    let behind = h.submit([with_priority(draft("t"), 9)]).await;
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(10, only("t")).await), before);
    assert_eq!(ids(&worker.claim(10, only("t")).await), [suspect]);
    assert_eq!(ids(&worker.claim(10, only("t")).await), behind);
}

/// However many are before it, and in however many steps the store hands them out.
pub async fn a_large_claim_stops_before_one_that_is_to_be_alone(h: &Harness) {
    for count in [100, 150, 310] {
        let suspect = lost_twice(h).await;
        let before = h
            .submit((0..count).map(|_| with_priority(draft("t"), 0)))
            .await;
        let worker = h.worker().await;
        let claimed = worker.claim(900, only("t")).await;
        assert_eq!(ids(&claimed), before);
        let alone = worker.claim(900, only("t")).await;
        assert_eq!(ids(&alone), [suspect]);
        assert!(alone[0].counters.claimed_alone());
        for message in claimed.iter().chain(&alone) {
            worker.settle(message.token(), done()).await.unwrap();
        }
    }
}

pub async fn a_message_handed_out_alone_counts_as_started(h: &Harness) {
    let suspect = lost_twice(h).await;
    let worker = h.worker().await;
    let before = worker.claim_one().await.counters;
    // Not one heartbeat tells of the start.
    h.kill(worker).await;
    let after = h.record(suspect).await.counters;
    assert_eq!(
        (after.losses, after.strays),
        (before.losses + 1, before.strays)
    );
}

/// A message of priority 5 whose worker was lost twice before it started; it is ready.
async fn lost_twice(h: &Harness) -> towpath_core::MessageId {
    let id = h.submit_one(with_priority(draft("t"), 5)).await;
    for _ in 0..2 {
        let worker = h.worker().await;
        worker.claim_one().await;
        h.kill(worker).await;
    }
    assert_eq!(h.record(id).await.counters.strays, 2);
    id
}

pub async fn only_a_worker_with_a_lease_may_claim(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let stranger = Worker {
        store: h.store.clone(),
        incarnation: IncarnationId::new(),
    };
    assert_eq!(
        kind(stranger.try_claim(1, only("t")).await),
        Kind::LeaseLost
    );
    let left = h.worker().await;
    h.store.leave(left.incarnation).await.unwrap();
    assert_eq!(kind(left.try_claim(1, only("t")).await), Kind::LeaseLost);
    let dead = h.worker().await;
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    assert_eq!(kind(dead.try_claim(1, only("t")).await), Kind::LeaseLost);
    let record = h.record(id).await;
    assert_eq!((record.state, record.counters.claims), (State::Ready, 0));
}

pub async fn claims_go_on_counting_through_every_return(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let verdicts = [
        retry(Duration::ZERO),
        snooze(Duration::ZERO),
        fail(),
        done(),
    ];
    for (claims, verdict) in (1..).zip(verdicts) {
        let message = worker.claim_one().await;
        assert_eq!(message.counters.claims, claims);
        worker.settle(message.token(), verdict).await.unwrap();
        if h.state(id).await == State::Failed {
            h.store.requeue(vec![id]).await.unwrap();
        }
    }
    assert_eq!(h.state(id).await, State::Succeeded);
}
