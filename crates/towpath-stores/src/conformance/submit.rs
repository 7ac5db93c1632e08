//! Submit: what is accepted is kept, whole, once.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::life::Counters;
use towpath_core::message::{Mechanism, Record, ResultRecord, Start};
use towpath_core::{
    Backoff, CodecName, Draft, Kind, MessageId, Payload, Retries, State, Status, limits,
};

use super::words::{after, any, done, draft, draft_in, drafts, ids, kinds, of_queues, only};
use super::{Harness, Worker};

pub async fn an_accepted_message_is_kept_as_it_was_asked_for(h: &Harness) {
    let draft = draft("t");
    h.submit_one(draft.clone()).await;
    let Record {
        message,
        state,
        updated_at,
        due_at,
        ..
    } = h.record(draft.id).await;
    assert_eq!(message.draft, draft);
    assert_eq!(message.counters, Counters::default());
    assert_eq!(message.submitted_at, h.now());
    assert_eq!(
        (state, updated_at, due_at),
        (State::Ready, h.now(), h.now())
    );
    let record = h.record(draft.id).await;
    assert_eq!(record.status(), Status::Submitted);
    assert_eq!(record.result, ResultRecord::None);
    assert_eq!((record.worker, record.finished_at), (None, None));
    assert!(record.attempts.is_empty());
}

pub async fn answers_stand_in_the_order_of_the_drafts(h: &Harness) {
    let [first, second, third] = ["t", "t", "t"].map(draft);
    h.submit_one(second.clone()).await;
    let answers = h.store.submit(vec![first.clone(), second, third.clone()]);
    let expected = [None, Some(Kind::AlreadyExists), None];
    assert_eq!(kinds(answers.await.unwrap()), expected);
    assert_eq!(h.state(first.id).await, State::Ready);
    assert_eq!(h.state(third.id).await, State::Ready);
}

pub async fn of_two_equal_ids_in_one_batch_the_first_is_accepted(h: &Harness) {
    let first = draft("t");
    let mut second = draft("other");
    second.id = first.id;
    let answers = h.store.submit(vec![first.clone(), second]).await.unwrap();
    assert_eq!(kinds(answers), [None, Some(Kind::AlreadyExists)]);
    assert_eq!(h.record(first.id).await.message.draft, first);
    assert_eq!(h.counts().await.ready, 1);
}

pub async fn an_id_that_is_known_in_any_state_is_refused(h: &Harness) {
    let worker = h.worker().await;
    for state in State::ALL {
        let id = h.message_in(state, &worker).await;
        let mut again = draft("other");
        again.id = id;
        let answers = h.store.submit(vec![again]).await.unwrap();
        assert_eq!(kinds(answers), [Some(Kind::AlreadyExists)], "{state}");
        let record = h.record(id).await;
        assert_eq!((record.state, record.task.as_str()), (state, "t"));
        if state == State::Ready {
            h.store.remove(vec![id]).await.unwrap();
        }
    }
}

pub async fn a_delay_is_counted_from_the_submit_on_the_stores_clock(h: &Harness) {
    let delay = Duration::from_secs(5);
    let id = h.submit_one(after(draft("t"), delay)).await;
    let record = h.record(id).await;
    assert_eq!(record.state, State::Scheduled);
    assert_eq!(record.due_at, h.now().after(delay));
    assert_eq!(record.status(), Status::Submitted);
}

pub async fn a_time_to_come_is_waited_for(h: &Harness) {
    let mut draft = draft("t");
    let due_at = h.now().after(Duration::from_secs(3_600));
    draft.start = Start::At(due_at);
    let id = h.submit_one(draft).await;
    let record = h.record(id).await;
    assert_eq!((record.state, record.due_at), (State::Scheduled, due_at));
}

pub async fn a_time_that_has_passed_is_now(h: &Harness) {
    let mut draft = draft("t");
    draft.start = Start::At(towpath_core::Timestamp::from_millis(1));
    let id = h.submit_one(draft).await;
    let record = h.record(id).await;
    assert_eq!((record.state, record.due_at), (State::Ready, h.now()));
}

pub async fn a_delay_of_zero_is_now(h: &Harness) {
    let id = h.submit_one(after(draft("t"), Duration::ZERO)).await;
    assert_eq!(h.state(id).await, State::Ready);
}

pub async fn every_option_reaches_the_worker(h: &Harness) {
    let draft = full_draft();
    h.submit_one(draft.clone()).await;
    let record = h.record(draft.id).await;
    assert_eq!(record.message.draft, draft);
    let expires_in = draft.options.expires_in.unwrap();
    assert_eq!(record.expires_at, Some(h.now().after(expires_in)));
    let claimed = h.worker().await.claim(1, any(&["täsk"])).await;
    assert_eq!(claimed[0].draft, draft);
}

/// A draft in which nothing has its default.
fn full_draft() -> Draft {
    let mut draft = draft_in("quëue", "täsk");
    draft.priority = u32::MAX;
    draft.payload = Payload::new(CodecName::new("own").unwrap(), vec![0, 255, 7]);
    draft.previous_result = Some(Payload::json("[1]"));
    let options = &mut draft.options;
    options.timeout = Duration::from_millis(1_234);
    options.retries = Retries::Unlimited;
    options.backoff = Some(Arc::new(Backoff::linear(Duration::from_secs(7)).settings()));
    options.mechanism = Mechanism::Thread;
    options
        .metadata
        .insert("k\"ey".into(), serde_json::json!({"a": [1, null, "名"]}));
    options.result_ttl = Some(Duration::from_millis(99));
    options.expires_in = Some(Duration::from_secs(500));
    options.progenitor = Some(MessageId::new());
    options.previous = Some(MessageId::new());
    options.replay_of = Some(MessageId::new());
    let mut callback = super::words::draft("next");
    callback.options.callback = Some(Box::new(super::words::draft("last")));
    options.callback = Some(Box::new(callback));
    draft
}

pub async fn a_payload_may_be_any_bytes(h: &Harness) {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    for bytes in [every, Vec::new(), vec![0], b"\xff\xfe{".to_vec()] {
        let mut draft = draft("t");
        draft.payload = Payload::new(CodecName::new("raw").unwrap(), bytes);
        h.submit_one(draft.clone()).await;
        assert_eq!(h.record(draft.id).await.payload, draft.payload);
        let claimed = h.worker().await.claim(1, only("t")).await;
        assert_eq!(claimed[0].payload, draft.payload);
    }
}

pub async fn the_largest_payload_is_kept(h: &Harness) {
    let bytes: Vec<u8> = (0..limits::PAYLOAD_BYTES)
        .map(|n| (n % 251) as u8)
        .collect();
    let mut draft = draft("t");
    draft.payload = Payload::new(CodecName::new("raw").unwrap(), bytes);
    h.submit_one(draft.clone()).await;
    assert_eq!(h.record(draft.id).await.payload, draft.payload);
    let claimed = h.worker().await.claim_one().await;
    assert_eq!(claimed.payload, draft.payload);
}

pub async fn names_are_only_names(h: &Harness) {
    let longest = "x".repeat(limits::NAME_BYTES);
    let names = [
        "'; DROP TABLE message; --",
        "a\"b`c",
        "%_*?[x]",
        "{tag}:1",
        "ready",
        "名 前",
        " ",
        "\\",
        "../..",
        &longest,
    ];
    for name in names {
        h.submit_one(draft_in(name, name)).await;
    }
    let worker = h.worker().await;
    for name in names {
        let claimed = worker.claim(10, of_queues(&[name], &[name])).await;
        assert_eq!(claimed.len(), 1, "{name}");
        assert_eq!(
            (claimed[0].queue.as_str(), claimed[0].task.as_str()),
            (name, name)
        );
    }
}

pub async fn what_was_accepted_is_there_after_closing(h: &Harness) {
    let waiting = h.submit(drafts(3)).await;
    let later = h
        .submit_one(after(draft("t"), Duration::from_secs(9)))
        .await;
    let store = h.reopen().await;
    let records = store.get(vec![waiting[0], waiting[1], waiting[2], later]);
    let states: Vec<State> = records
        .await
        .unwrap()
        .into_iter()
        .map(|r| r.unwrap().state)
        .collect();
    assert_eq!(
        states,
        [State::Ready, State::Ready, State::Ready, State::Scheduled]
    );
    let worker = Worker::join(store).await;
    assert_eq!(ids(&worker.claim(9, only("t")).await), waiting);
}

pub async fn a_removed_id_may_be_used_again(h: &Harness) {
    let draft = draft("t");
    h.submit_one(draft.clone()).await;
    h.store.remove(vec![draft.id]).await.unwrap();
    h.submit_one(draft.clone()).await;
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    assert_eq!((message.id, message.counters.claims), (draft.id, 1));
    worker.settle(message.token(), done()).await.unwrap();
}

pub async fn nothing_submitted_is_answered_with_nothing(h: &Harness) {
    assert!(h.store.submit(Vec::new()).await.unwrap().is_empty());
}
