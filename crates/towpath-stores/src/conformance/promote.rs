//! Promote: what was scheduled becomes ready when its time has come, and not before.

use std::time::Duration;

use towpath_core::store::Promoted;
use towpath_core::{State, Status};

use super::Harness;
use super::words::{after, draft, drafts, ids, only, retry};

const SECOND: Duration = Duration::from_secs(1);

fn in_seconds(seconds: impl IntoIterator<Item = u32>) -> Vec<towpath_core::Draft> {
    seconds
        .into_iter()
        .map(|s| after(draft("t"), SECOND * s))
        .collect()
}

pub async fn nothing_is_promoted_early(h: &Harness) {
    let id = h.submit(in_seconds([5])).await[0];
    let due = h.record(id).await.due_at;
    h.advance(SECOND * 5 - Duration::from_millis(1));
    let expected = Promoted {
        moved: 0,
        next_due: Some(due),
    };
    assert_eq!(h.store.promote(10).await.unwrap(), expected);
    assert_eq!(h.state(id).await, State::Scheduled);
    h.advance(Duration::from_millis(1));
    let expected = Promoted {
        moved: 1,
        next_due: None,
    };
    assert_eq!(h.store.promote(10).await.unwrap(), expected);
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.status()),
        (State::Ready, Status::Submitted)
    );
    assert_eq!(record.due_at, h.now());
}

pub async fn what_is_due_is_promoted_and_the_rest_told(h: &Harness) {
    let sent = h.submit(in_seconds([9, 1, 5, 3])).await;
    let next = h.record(sent[2]).await.due_at;
    h.advance(SECOND * 3);
    let expected = Promoted {
        moved: 2,
        next_due: Some(next),
    };
    assert_eq!(h.store.promote(10).await.unwrap(), expected);
    let worker = h.worker().await;
    let mut claimed = ids(&worker.claim(9, only("t")).await);
    claimed.sort_unstable();
    let mut expected = [sent[1], sent[3]];
    expected.sort_unstable();
    assert_eq!(claimed, expected);
}

pub async fn a_step_promotes_at_most_what_was_asked_for_the_soonest_first(h: &Harness) {
    let sent = h.submit(in_seconds([3, 2, 1, 4, 5])).await;
    let third_due = h.record(sent[0]).await.due_at;
    h.advance(SECOND * 9);
    let expected = Promoted {
        moved: 2,
        next_due: Some(third_due),
    };
    assert_eq!(h.store.promote(2).await.unwrap(), expected);
    assert_eq!(h.state(sent[2]).await, State::Ready);
    assert_eq!(h.state(sent[1]).await, State::Ready);
    assert_eq!(h.state(sent[0]).await, State::Scheduled);
    assert_eq!(h.store.promote(2).await.unwrap().moved, 2);
    let last = h.store.promote(2).await.unwrap();
    assert_eq!((last.moved, last.next_due), (1, None));
}

pub async fn with_nothing_scheduled_nothing_is_due(h: &Harness) {
    h.submit(drafts(2)).await;
    assert_eq!(h.store.promote(10).await.unwrap(), Promoted::default());
}

pub async fn a_promotion_changes_no_counter(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let verdict = retry(SECOND);
    worker.settle(token, verdict).await.unwrap();
    let before = h.record(id).await.counters;
    h.until_ready(id).await;
    assert_eq!(h.record(id).await.counters, before);
}
