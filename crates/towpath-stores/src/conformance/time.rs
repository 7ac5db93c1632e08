//! Time: the wall clock may jump; leases and lines do not.

use std::time::Duration;

use towpath_core::store::Rescued;
use towpath_core::{State, limits};

use super::Harness;
use super::words::{after, done, draft, drafts, ids, only, retry};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const STEPS: [i64; 2] = [HOUR_MS, -HOUR_MS];

pub async fn a_jump_of_the_wall_clock_ends_no_lease(h: &Harness) {
    for step in STEPS {
        let id = h.submit_one(draft("t")).await;
        let worker = h.worker().await;
        let token = worker.claim_one().await.token();
        h.clock.step_wall(step);
        assert_eq!(h.store.rescue(10).await.unwrap(), Rescued::default());
        h.advance(limits::LEASE - Duration::from_millis(1));
        assert_eq!(h.store.rescue(10).await.unwrap(), Rescued::default());
        worker.settle(token, done()).await.unwrap();
        assert_eq!(h.state(id).await, State::Succeeded);
        h.store.leave(worker.incarnation).await.unwrap();
    }
}

pub async fn a_jump_of_the_wall_clock_prolongs_no_lease(h: &Harness) {
    for step in STEPS {
        h.submit_one(draft("t")).await;
        let worker = h.worker().await;
        let id = worker.claim_one().await.id;
        h.clock.step_wall(step);
        h.advance(limits::LEASE);
        assert_eq!(h.store.rescue(10).await.unwrap().returned, 1);
        assert_eq!(h.state(id).await, State::Ready);
        h.store.remove(vec![id]).await.unwrap();
    }
}

pub async fn a_jump_of_the_wall_clock_holds_no_ready_message_back(h: &Harness) {
    for step in STEPS {
        let id = h.submit_one(draft("t")).await;
        h.clock.step_wall(step);
        let worker = h.worker().await;
        let message = worker.claim_one().await;
        assert_eq!(message.id, id);
        worker
            .settle(message.token(), retry(Duration::ZERO))
            .await
            .unwrap();
        let again = worker.claim_one().await;
        worker.settle(again.token(), done()).await.unwrap();
    }
}

pub async fn a_clock_set_back_lets_nobody_in_front(h: &Harness) {
    let before = h.submit(drafts(2)).await;
    h.clock.step_wall(-HOUR_MS);
    let behind = h.submit(drafts(2)).await;
    let worker = h.worker().await;
    let expected = [before, behind].concat();
    assert_eq!(ids(&worker.claim(9, only("t")).await), expected);
}

pub async fn a_clock_set_back_lets_no_returning_message_in_front(h: &Harness) {
    let worker = h.worker().await;
    let first = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    h.advance(Duration::from_secs(1));
    let second = h.submit_one(draft("t")).await;
    h.advance(Duration::from_secs(1));
    h.submit_one(draft("other")).await;
    h.clock.step_wall(-HOUR_MS);
    worker.settle(token, retry(Duration::ZERO)).await.unwrap();
    assert_eq!(ids(&worker.claim(9, only("t")).await), [second, first]);
}

pub async fn a_clock_set_back_promotes_nothing_early(h: &Harness) {
    let id = h
        .submit_one(after(draft("t"), Duration::from_secs(60)))
        .await;
    let due_at = h.record(id).await.due_at;
    h.clock.step_wall(-HOUR_MS);
    h.advance(Duration::from_secs(60));
    assert_eq!(h.store.promote(10).await.unwrap().moved, 0);
    h.advance(due_at.since(h.now()));
    assert_eq!(h.store.promote(10).await.unwrap().moved, 1);
}

pub async fn a_delay_begins_after_the_jump(h: &Harness) {
    for step in STEPS {
        h.clock.step_wall(step);
        let minute = Duration::from_secs(60);
        let id = h.submit_one(after(draft("t"), minute)).await;
        assert_eq!(h.record(id).await.due_at, h.now().after(minute));
        h.until_ready(id).await;
        h.store.remove(vec![id]).await.unwrap();
    }
}

pub async fn the_stores_clock_is_told(h: &Harness) {
    assert_eq!(h.store.now().await.unwrap(), h.now());
    h.advance(Duration::from_secs(5));
    assert_eq!(h.store.now().await.unwrap(), h.now());
}
