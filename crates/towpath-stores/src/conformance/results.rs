//! Results: read by many, taken by one.

use std::time::Duration;

use towpath_core::message::ResultRecord;
use towpath_core::store::{ResultRead, StoredResult};
use towpath_core::{CodecName, FailReason, MessageId, Payload, State, limits};

use super::Harness;
use super::words::{done, done_with, draft, drafts, expiring, only, oops, retry};

async fn read(h: &Harness, id: MessageId) -> ResultRead {
    h.store.results(vec![id], false).await.unwrap().remove(0)
}

async fn take(h: &Harness, id: MessageId) -> ResultRead {
    h.store.results(vec![id], true).await.unwrap().remove(0)
}

/// A message that has succeeded with that result.
async fn succeeded(h: &Harness, result: StoredResult) -> MessageId {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker.settle(token, done_with(result)).await.unwrap();
    id
}

fn value(h: &Harness, payload: Payload) -> ResultRead {
    ResultRead::Value {
        payload: Some(payload),
        finished_at: h.now(),
    }
}

pub async fn reading_keeps_a_result(h: &Harness) {
    let payload = Payload::json("[1]");
    let id = succeeded(h, StoredResult::Value(payload.clone())).await;
    for _ in 0..3 {
        assert_eq!(read(h, id).await, value(h, payload.clone()));
    }
}

pub async fn taking_a_result_deletes_it_and_keeps_the_message(h: &Harness) {
    let payload = Payload::json("[1]");
    let id = succeeded(h, StoredResult::Value(payload.clone())).await;
    assert_eq!(take(h, id).await, value(h, payload));
    assert_eq!(take(h, id).await, ResultRead::Taken);
    assert_eq!(read(h, id).await, ResultRead::Taken);
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.result),
        (State::Succeeded, ResultRecord::Taken)
    );
}

pub async fn one_result_asked_for_twice_is_taken_once(h: &Harness) {
    let payload = Payload::json("[1]");
    let id = succeeded(h, StoredResult::Value(payload.clone())).await;
    let taken = h.store.results(vec![id, id], true).await.unwrap();
    assert_eq!(taken, [value(h, payload), ResultRead::Taken]);
}

pub async fn answers_stand_in_the_order_asked_for(h: &Harness) {
    let first = succeeded(h, StoredResult::Value(Payload::json("1"))).await;
    let second = succeeded(h, StoredResult::Value(Payload::json("2"))).await;
    let unknown = MessageId::new();
    let answers = h.store.results(vec![second, unknown, first], false).await;
    let expected = [
        value(h, Payload::json("2")),
        ResultRead::Unknown,
        value(h, Payload::json("1")),
    ];
    assert_eq!(answers.unwrap(), expected);
}

pub async fn a_success_without_a_result_says_so(h: &Harness) {
    let id = succeeded(h, StoredResult::None).await;
    let nothing = ResultRead::Value {
        payload: None,
        finished_at: h.now(),
    };
    assert_eq!(read(h, id).await, nothing);
    // There is nothing to take, so nothing is taken.
    assert_eq!(take(h, id).await, nothing);
    assert_eq!(take(h, id).await, nothing);
    assert_eq!(h.record(id).await.result, ResultRecord::None);
}

pub async fn a_result_that_was_too_large_leaves_its_size(h: &Harness) {
    let size = limits::RESULT_BYTES + 1;
    let id = succeeded(h, StoredResult::TooLarge { size }).await;
    assert_eq!(read(h, id).await, ResultRead::TooLarge { size });
    assert_eq!(take(h, id).await, ResultRead::TooLarge { size });
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.result),
        (State::Succeeded, ResultRecord::TooLarge { size })
    );
}

pub async fn the_largest_result_is_kept(h: &Harness) {
    let bytes: Vec<u8> = (0..limits::RESULT_BYTES).map(|n| (n % 253) as u8).collect();
    let payload = Payload::new(CodecName::new("raw").unwrap(), bytes);
    let id = succeeded(h, StoredResult::Value(payload.clone())).await;
    let size = payload.len();
    assert_eq!(h.record(id).await.result, ResultRecord::Kept { size });
    assert_eq!(read(h, id).await, value(h, payload.clone()));
    assert_eq!(take(h, id).await, value(h, payload));
}

pub async fn a_result_may_be_any_bytes(h: &Harness) {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    for bytes in [every, Vec::new(), vec![0]] {
        let payload = Payload::new(CodecName::new("raw").unwrap(), bytes);
        let id = succeeded(h, StoredResult::Value(payload.clone())).await;
        assert_eq!(take(h, id).await, value(h, payload));
    }
}

pub async fn a_message_that_has_not_ended_is_waited_for(h: &Harness) {
    let worker = h.worker().await;
    for state in [State::Scheduled, State::Running, State::Ready] {
        let id = h.message_in(state, &worker).await;
        assert_eq!(read(h, id).await, ResultRead::Waiting, "{state}");
        assert_eq!(take(h, id).await, ResultRead::Waiting, "{state}");
    }
}

pub async fn a_dead_letter_says_why(h: &Harness) {
    let worker = h.worker().await;
    let failed = h.message_in(State::Failed, &worker).await;
    let expected = ResultRead::Failed {
        reason: FailReason::Rejected,
        error: Some(oops()),
    };
    assert_eq!(read(h, failed).await, expected);
    let revoked = h.message_in(State::Revoked, &worker).await;
    assert_eq!(take(h, revoked).await, ResultRead::Revoked);
}

pub async fn a_dead_letter_that_never_ran_has_no_error(h: &Harness) {
    let soon = expiring(draft("t"), Duration::from_secs(1));
    let id = h.submit_one(soon).await;
    h.advance(Duration::from_secs(2));
    h.store.expire(10).await.unwrap();
    let expected = ResultRead::Failed {
        reason: FailReason::Expired,
        error: None,
    };
    assert_eq!(read(h, id).await, expected);
}

pub async fn what_is_not_in_the_store_has_no_result(h: &Harness) {
    assert_eq!(read(h, MessageId::new()).await, ResultRead::Unknown);
    let id = succeeded(h, StoredResult::Value(Payload::json("1"))).await;
    h.store.remove(vec![id]).await.unwrap();
    assert_eq!(take(h, id).await, ResultRead::Unknown);
}

pub async fn a_result_is_there_after_closing(h: &Harness) {
    let payload = Payload::json("[1]");
    let id = succeeded(h, StoredResult::Value(payload.clone())).await;
    let store = h.reopen().await;
    let results = store.results(vec![id], false).await.unwrap();
    assert_eq!(results, [value(h, payload)]);
}

pub async fn an_earlier_failure_does_not_hide_the_result(h: &Harness) {
    h.submit(drafts(1)).await;
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    let verdict = retry(Duration::ZERO);
    worker.settle(message.token(), verdict).await.unwrap();
    let again = worker.claim(1, only("t")).await.remove(0);
    worker.settle(again.token(), done()).await.unwrap();
    assert!(matches!(
        read(h, message.id).await,
        ResultRead::Value { .. }
    ));
}
