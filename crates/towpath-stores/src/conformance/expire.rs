//! Expire: what was not started in time becomes a dead letter.

use std::time::Duration;

use towpath_core::store::Verdict;
use towpath_core::{FailReason, State, Status};

use super::Harness;
use super::words::{after, done, draft, drafts, expiring, only};

const SECOND: Duration = Duration::from_secs(1);

fn for_seconds(seconds: u32) -> towpath_core::Draft {
    expiring(draft("t"), SECOND * seconds)
}

pub async fn what_waits_too_long_is_a_dead_letter(h: &Harness) {
    let ready = h.submit_one(for_seconds(5)).await;
    let scheduled = h.submit_one(after(for_seconds(5), SECOND * 60)).await;
    let never = h.submit_one(draft("t")).await;
    h.advance(SECOND * 6);
    assert_eq!(h.store.expire(10).await.unwrap(), 2);
    for id in [ready, scheduled] {
        let record = h.record(id).await;
        assert_eq!(
            (record.state, record.reason),
            (State::Failed, Some(FailReason::Expired))
        );
        assert_eq!(
            (record.status(), record.finished_at),
            (Status::Failed, Some(h.now()))
        );
        assert_eq!(record.counters.claims, 0);
    }
    assert_eq!(h.state(never).await, State::Ready);
    assert_eq!(h.store.expire(10).await.unwrap(), 0);
}

pub async fn nothing_expires_early(h: &Harness) {
    let id = h.submit_one(for_seconds(5)).await;
    h.advance(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(h.store.expire(10).await.unwrap(), 0);
    let worker = h.worker().await;
    assert_eq!(worker.claim_one().await.id, id);
}

pub async fn what_has_started_in_time_may_run_on(h: &Harness) {
    let id = h.submit_one(for_seconds(2)).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(SECOND * 5);
    assert_eq!(h.store.expire(10).await.unwrap(), 0);
    worker.settle(token, done()).await.unwrap();
    assert_eq!(h.state(id).await, State::Succeeded);
}

pub async fn what_comes_back_too_late_expires(h: &Harness) {
    let id = h.submit_one(for_seconds(2)).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(SECOND * 5);
    worker.settle(token, Verdict::Release).await.unwrap();
    assert!(worker.claim(9, only("t")).await.is_empty());
    h.store.expire(10).await.unwrap();
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.reason),
        (State::Failed, Some(FailReason::Expired))
    );
}

pub async fn a_step_expires_at_most_what_was_asked_for(h: &Harness) {
    h.submit((0..5).map(|_| for_seconds(1))).await;
    h.advance(SECOND * 2);
    let mut expired = Vec::new();
    for _ in 0..4 {
        expired.push(h.store.expire(2).await.unwrap());
    }
    assert_eq!(expired, [2, 2, 1, 0]);
}

pub async fn an_expiry_hides_nothing_that_is_to_come(h: &Harness) {
    h.submit((0..3).map(|_| for_seconds(1))).await;
    let fresh = h.submit(drafts(1)).await[0];
    h.advance(SECOND * 2);
    h.store.expire(10).await.unwrap();
    let worker = h.worker().await;
    assert_eq!(worker.claim_one().await.id, fresh);
}
