//! Wake: make the watch, look, wait, look again; nothing in between is missed.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use towpath_core::store::{Note, Topic, Watch};

use super::Harness;
use super::words::{after, done, done_then, draft, only, retry, rung};

const SECOND: Duration = Duration::from_secs(1);

/// Polls the wait once and drops it, as a `select` does that went another way.
fn wait_in_vain(watch: &mut Box<dyn Watch>) {
    let wait = pin!(watch.changed());
    let _ = wait.poll(&mut Context::from_waker(Waker::noop()));
}

pub async fn a_submit_wakes_those_who_wait_for_work(h: &Harness) {
    let mut watch = h.store.watch(Topic::Work);
    h.submit_one(draft("t")).await;
    rung(&mut watch, Topic::Work).await;
}

pub async fn each_line_that_is_filled_wakes_again(h: &Harness) {
    let worker = h.worker().await;
    let mut watch = h.store.watch(Topic::Work);
    for _ in 0..3 {
        h.submit_one(draft("t")).await;
        rung(&mut watch, Topic::Work).await;
        worker.claim_one().await;
    }
}

pub async fn a_wait_that_has_begun_is_ended(h: &Harness) {
    let mut watch = h.store.watch(Topic::Work);
    let waiting = tokio::spawn(async move { rung(&mut watch, Topic::Work).await });
    tokio::task::yield_now().await;
    h.submit_one(draft("t")).await;
    waiting.await.unwrap();
}

pub async fn what_happens_between_look_and_wait_is_not_missed(h: &Harness) {
    let mut watch = h.store.watch(Topic::Work);
    let worker = h.worker().await;
    assert!(worker.claim(1, only("t")).await.is_empty());
    h.submit_one(draft("t")).await;
    rung(&mut watch, Topic::Work).await;
    worker.claim_one().await;
}

pub async fn a_dropped_wait_loses_nothing(h: &Harness) {
    let mut watch = h.store.watch(Topic::Work);
    wait_in_vain(&mut watch);
    drop(watch.changed());
    h.submit_one(draft("t")).await;
    drop(watch.changed());
    rung(&mut watch, Topic::Work).await;
}

pub async fn every_watch_is_rung(h: &Harness) {
    let mut watches = [(); 5].map(|()| h.store.watch(Topic::Work));
    h.submit_one(draft("t")).await;
    for watch in &mut watches {
        rung(watch, Topic::Work).await;
    }
}

pub async fn another_handle_wakes_too(h: &Harness) {
    let other = h.another();
    for topic in [Topic::Work, Topic::Change] {
        let mut watch = h.store.watch(topic);
        let answers = other.submit(vec![draft("t")]).await.unwrap();
        assert!(answers[0].is_ok());
        rung(&mut watch, topic).await;
    }
}

pub async fn a_scheduled_message_wakes_those_who_promote(h: &Harness) {
    let mut watch = h.store.watch(Topic::Schedule);
    h.submit_one(after(draft("t"), SECOND * 60)).await;
    rung(&mut watch, Topic::Schedule).await;
    let worker = h.worker().await;
    h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let mut watch = h.store.watch(Topic::Schedule);
    worker.settle(token, retry(SECOND)).await.unwrap();
    rung(&mut watch, Topic::Schedule).await;
}

pub async fn whatever_makes_a_message_ready_wakes_those_who_wait_for_work(h: &Harness) {
    let id = h.submit_one(after(draft("t"), SECOND)).await;
    h.advance(SECOND);
    let mut watch = h.store.watch(Topic::Work);
    h.store.promote(1).await.unwrap();
    rung(&mut watch, Topic::Work).await;

    let worker = h.worker().await;
    for verdict in [retry(Duration::ZERO), towpath_core::store::Verdict::Release] {
        let token = worker.claim_one().await.token();
        let mut watch = h.store.watch(Topic::Work);
        worker.settle(token, verdict).await.unwrap();
        rung(&mut watch, Topic::Work).await;
    }

    let token = worker.claim_one().await.token();
    let mut watch = h.store.watch(Topic::Work);
    worker
        .settle(token, done_then(vec![draft("next")]))
        .await
        .unwrap();
    rung(&mut watch, Topic::Work).await;
    h.store.remove(vec![id]).await.unwrap();

    h.submit_one(draft("t")).await;
    worker.claim_one().await;
    let mut watch = h.store.watch(Topic::Work);
    h.store.leave(worker.incarnation).await.unwrap();
    rung(&mut watch, Topic::Work).await;

    let worker = h.worker().await;
    let lost = worker.claim_one().await.id;
    let mut watch = h.store.watch(Topic::Work);
    h.kill(worker).await;
    rung(&mut watch, Topic::Work).await;

    h.store.revoke(vec![lost], false).await.unwrap();
    let mut watch = h.store.watch(Topic::Work);
    h.store.requeue(vec![lost]).await.unwrap();
    rung(&mut watch, Topic::Work).await;

    h.store.revoke(vec![lost], false).await.unwrap();
    let mut watch = h.store.watch(Topic::Work);
    let new_id = towpath_core::MessageId::new();
    h.store.replay(vec![(lost, new_id)]).await.unwrap();
    rung(&mut watch, Topic::Work).await;
}

pub async fn opening_a_paused_queue_wakes_those_who_wait_for_work(h: &Harness) {
    let queue = towpath_core::QueueName::default();
    h.store.pause(queue.clone(), true).await.unwrap();
    h.submit_one(draft("t")).await;
    let mut watch = h.store.watch(Topic::Work);
    h.store.pause(queue, false).await.unwrap();
    rung(&mut watch, Topic::Work).await;
}

pub async fn every_change_wakes_those_who_wait_for_a_message(h: &Harness) {
    let mut watch = h.store.watch(Topic::Change);
    let id = h.submit_one(draft("t")).await;
    rung(&mut watch, Topic::Change).await;

    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    rung(&mut watch, Topic::Change).await;

    let note = Note::Details(serde_json::json!(1));
    worker.note(token, note).await.unwrap();
    rung(&mut watch, Topic::Change).await;

    worker.settle(token, done()).await.unwrap();
    rung(&mut watch, Topic::Change).await;

    h.store.remove(vec![id]).await.unwrap();
    rung(&mut watch, Topic::Change).await;
}

pub async fn a_revocation_wakes_the_workers(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let id = worker.claim_one().await.id;
    let mut watches = [Topic::Revocation, Topic::Change].map(|t| (h.store.watch(t), t));
    h.store.revoke(vec![id], false).await.unwrap();
    for (watch, topic) in &mut watches {
        rung(watch, *topic).await;
    }
}

pub async fn a_watch_that_was_not_rung_waits(h: &Harness) {
    // It may return without reason, so what is held against it is only that it does not spin.
    let mut watch = h.store.watch(Topic::Revocation);
    let mut returned = 0;
    for _ in 0..100 {
        let mut wait = pin!(watch.changed());
        if let Poll::Ready(()) = wait.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            returned += 1;
        }
    }
    assert!(returned < 100, "it returns at once, always");
}
