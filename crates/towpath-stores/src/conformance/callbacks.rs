//! Callbacks: what a success submits, in the step that accepts it.

use std::time::Duration;

use towpath_core::store::{StoredResult, Verdict};
use towpath_core::{Draft, Kind, Payload, State};

use super::Harness;
use super::words::{after, any, done_then, draft, drafts, ids, kind, kinds, only, retry};

pub async fn a_success_submits_its_callbacks(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let callbacks = vec![draft("next"), draft("next")];
    worker
        .settle(token, done_then(callbacks.clone()))
        .await
        .unwrap();
    let claimed = worker.claim(9, only("next")).await;
    let sent: Vec<&Draft> = claimed.iter().map(|message| &message.draft).collect();
    assert_eq!(sent, callbacks.iter().collect::<Vec<_>>());
}

pub async fn a_callback_carries_its_lineage_and_the_result_before_it(h: &Harness) {
    let chain = Draft::chain(["t", "next", "last"].map(draft))
        .unwrap()
        .unwrap();
    h.submit_one(chain.clone()).await;
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    let result = Payload::json("[7]");
    let next = message.next_in_chain(Some(result.clone())).unwrap();
    let verdict = Verdict::Done {
        result: StoredResult::Value(result.clone()),
        callbacks: vec![next],
    };
    worker.settle(message.token(), verdict).await.unwrap();
    let next = worker.claim(1, only("next")).await.remove(0);
    assert_eq!(next.options.progenitor, Some(chain.id));
    assert_eq!(next.options.previous, Some(chain.id));
    assert_eq!(next.previous_result, Some(result));
    assert_eq!(next.descendants(), chain.descendants()[1..]);
}

pub async fn a_callback_may_wait(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(Duration::from_secs(5));
    let later = after(draft("next"), Duration::from_secs(60));
    worker
        .settle(token, done_then(vec![later.clone()]))
        .await
        .unwrap();
    let record = h.record(later.id).await;
    assert_eq!(record.state, State::Scheduled);
    assert_eq!(record.due_at, h.now().after(Duration::from_secs(60)));
}

pub async fn a_refused_settle_submits_no_callback(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.store.revoke(vec![id], false).await.unwrap();
    let callback = draft("next");
    let answer = worker
        .settle(token, done_then(vec![callback.clone()]))
        .await;
    assert_eq!(kind(answer), Kind::LeaseLost);
    assert_eq!(h.find(callback.id).await, None);
}

pub async fn a_known_callback_is_not_submitted_again(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let known = draft("next");
    h.submit_one(known.clone()).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let mut changed = known.clone();
    changed.payload = Payload::json("[\"changed\"]");
    let new = draft("next");
    let verdict = done_then(vec![changed, new.clone()]);
    worker.settle(token, verdict).await.unwrap();
    assert_eq!(h.state(id).await, State::Succeeded);
    let claimed = worker.claim(9, any(&["next"])).await;
    assert_eq!(ids(&claimed), [known.id, new.id]);
    assert_eq!(claimed[0].payload, known.payload);
}

pub async fn a_callback_that_has_run_is_not_submitted_again(h: &Harness) {
    // Its chain was put back by hand after its end was lost, as people do.
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let callback = h.message_in(State::Succeeded, &worker).await;
    let mut again = draft("next");
    again.id = callback;
    worker.settle(token, done_then(vec![again])).await.unwrap();
    let record = h.record(callback).await;
    assert_eq!(
        (record.state, record.counters.claims),
        (State::Succeeded, 1)
    );
}

pub async fn one_callback_of_two_messages_is_submitted_once(h: &Harness) {
    h.submit(drafts(2)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(2, only("t")).await;
    let callback = draft("next");
    let items = claimed.iter().map(|message| {
        let verdict = done_then(vec![callback.clone(), callback.clone()]);
        (message.token(), verdict)
    });
    let answers = worker.settle_all(items.collect::<Vec<_>>()).await.items;
    assert_eq!(kinds(answers), [None, None]);
    assert_eq!(worker.claim(9, only("next")).await.len(), 1);
}

pub async fn only_the_settle_that_succeeds_submits_them(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let callback = draft("next");
    let first = worker.claim_one().await.token();
    worker.settle(first, retry(Duration::ZERO)).await.unwrap();
    assert_eq!(h.find(callback.id).await, None);
    let second = worker.claim_one().await.token();
    worker
        .settle(second, done_then(vec![callback.clone()]))
        .await
        .unwrap();
    assert_eq!(h.state(callback.id).await, State::Ready);
}
