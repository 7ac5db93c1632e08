//! Requeue, replay and remove: what people do to messages that are done with.

use std::time::Duration;

use towpath_core::life::Counters;
use towpath_core::message::{ResultRecord, Start};
use towpath_core::store::{ResultRead, StoredResult, Verdict};
use towpath_core::{Kind, MessageId, Payload, Result, State, Status};

use super::Harness;
use super::words::{
    after, any, done_with, draft, drafts, expiring, fail, ids, kind, kinds, only, oops, retry,
    snooze,
};

async fn requeue(h: &Harness, id: MessageId) -> Result<()> {
    h.store.requeue(vec![id]).await.unwrap().remove(0)
}

async fn replay(h: &Harness, id: MessageId, new_id: MessageId) -> Result<()> {
    h.store.replay(vec![(id, new_id)]).await.unwrap().remove(0)
}

async fn remove(h: &Harness, id: MessageId) -> Result<()> {
    h.store.remove(vec![id]).await.unwrap().remove(0)
}

pub async fn a_dead_letter_is_ready_at_once(h: &Harness) {
    let worker = h.worker().await;
    for state in [State::Failed, State::Revoked] {
        let id = h.message_in(state, &worker).await;
        h.advance(Duration::from_secs(1));
        requeue(h, id).await.unwrap();
        let record = h.record(id).await;
        assert_eq!((record.state, record.due_at), (State::Ready, h.now()));
        assert_eq!(
            (record.reason, record.finished_at, record.kept_until),
            (None, None, None)
        );
        assert_eq!(worker.claim_one().await.id, id);
    }
}

pub async fn claims_go_on_and_the_other_counters_begin_again(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    for verdict in [retry(Duration::ZERO), snooze(Duration::ZERO), fail()] {
        let token = worker.claim_one().await.token();
        worker.settle(token, verdict).await.unwrap();
    }
    requeue(h, id).await.unwrap();
    let record = h.record(id).await;
    let expected = Counters {
        claims: 3,
        ..Counters::default()
    };
    assert_eq!(
        (record.counters, record.status()),
        (expected, Status::Retrying)
    );
    assert_eq!(worker.claim_one().await.counters.claims, 4);
}

pub async fn the_old_error_stays_among_the_attempts(h: &Harness) {
    let worker = h.worker().await;
    let id = h.message_in(State::Failed, &worker).await;
    requeue(h, id).await.unwrap();
    let record = h.record(id).await;
    assert_eq!(record.error(), Some(&oops()));
    let token = worker.claim_one().await.token();
    worker
        .settle(token, done_with(StoredResult::None))
        .await
        .unwrap();
    assert_eq!(h.record(id).await.error(), Some(&oops()));
}

pub async fn a_requeue_does_not_bring_an_old_token_back(h: &Harness) {
    let worker = h.worker().await;
    let id = h.message_in(State::Running, &worker).await;
    let old = h.record(id).await.token();
    h.store.revoke(vec![id], false).await.unwrap();
    requeue(h, id).await.unwrap();
    let verdict = || done_with(StoredResult::Value(Payload::json("1")));
    assert_eq!(kind(worker.settle(old, verdict()).await), Kind::LeaseLost);
    let new = worker.claim_one().await.token();
    assert!(new > old);
    assert_eq!(kind(worker.settle(old, verdict()).await), Kind::LeaseLost);
    worker.settle(new, verdict()).await.unwrap();
}

pub async fn an_expired_message_may_start_again_once_requeued(h: &Harness) {
    let minute = Duration::from_secs(60);
    let id = h.submit_one(expiring(draft("t"), minute)).await;
    h.advance(minute * 2);
    h.store.expire(10).await.unwrap();
    requeue(h, id).await.unwrap();
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.expires_at),
        (State::Ready, Some(h.now().after(minute)))
    );
    assert_eq!(h.store.expire(10).await.unwrap(), 0);
    let worker = h.worker().await;
    assert_eq!(worker.claim_one().await.id, id);
}

pub async fn only_dead_letters_are_requeued(h: &Harness) {
    let worker = h.worker().await;
    for state in [
        State::Scheduled,
        State::Running,
        State::Succeeded,
        State::Ready,
    ] {
        let id = h.message_in(state, &worker).await;
        let before = h.record(id).await;
        h.advance(Duration::from_secs(1));
        assert_eq!(kind(requeue(h, id).await), Kind::WrongState, "{state}");
        assert_eq!(h.record(id).await, before);
    }
    assert_eq!(kind(requeue(h, MessageId::new()).await), Kind::NotFound);
}

pub async fn a_requeue_is_not_done_twice(h: &Harness) {
    let worker = h.worker().await;
    let id = h.message_in(State::Failed, &worker).await;
    let other = h.message_in(State::Revoked, &worker).await;
    let answers = h.store.requeue(vec![id, MessageId::new(), id, other]);
    let expected = [None, Some(Kind::NotFound), Some(Kind::WrongState), None];
    assert_eq!(kinds(answers.await.unwrap()), expected);
    assert_eq!(ids(&worker.claim(9, only("t")).await), [id, other]);
}

pub async fn a_replay_is_a_new_message(h: &Harness) {
    let worker = h.worker().await;
    for state in [State::Succeeded, State::Failed, State::Revoked] {
        let id = h.message_in(state, &worker).await;
        let before = h.record(id).await;
        h.advance(Duration::from_secs(1));
        let new_id = MessageId::new();
        replay(h, id, new_id).await.unwrap();
        assert_eq!(h.record(id).await, before, "{state}");
        let record = h.record(new_id).await;
        assert_eq!(
            (record.state, record.counters),
            (State::Ready, Counters::default())
        );
        assert_eq!(record.submitted_at, h.now());
        assert_eq!(record.options.replay_of, Some(id));
        assert_eq!(record.result, ResultRecord::None);
        assert!(record.attempts.is_empty());
        let message = worker.claim_one().await;
        let mut expected = before.message.draft.clone();
        expected.id = new_id;
        expected.start = Start::Now;
        expected.options.replay_of = Some(id);
        assert_eq!(message.draft, expected);
    }
}

pub async fn a_replay_does_not_wait_as_the_first_did(h: &Harness) {
    let delayed = after(draft("t"), Duration::from_secs(60));
    let id = h.submit_one(delayed).await;
    h.store.revoke(vec![id], false).await.unwrap();
    let new_id = MessageId::new();
    replay(h, id, new_id).await.unwrap();
    assert_eq!(h.state(new_id).await, State::Ready);
}

pub async fn only_what_has_ended_is_replayed(h: &Harness) {
    let worker = h.worker().await;
    for state in [State::Scheduled, State::Running, State::Ready] {
        let id = h.message_in(state, &worker).await;
        let new_id = MessageId::new();
        assert_eq!(
            kind(replay(h, id, new_id).await),
            Kind::WrongState,
            "{state}"
        );
        assert_eq!(h.find(new_id).await, None);
    }
    let answer = replay(h, MessageId::new(), MessageId::new()).await;
    assert_eq!(kind(answer), Kind::NotFound);
}

pub async fn a_replay_is_not_done_twice(h: &Harness) {
    let worker = h.worker().await;
    let id = h.message_in(State::Failed, &worker).await;
    let new_id = MessageId::new();
    let answers = h.store.replay(vec![(id, new_id), (id, new_id), (id, id)]);
    let expected = [None, Some(Kind::AlreadyExists), Some(Kind::AlreadyExists)];
    assert_eq!(kinds(answers.await.unwrap()), expected);
    assert_eq!(worker.claim(9, only("t")).await.len(), 1);
}

pub async fn a_removed_message_is_gone_with_its_result(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let result = StoredResult::Value(Payload::json("1"));
    worker.settle(token, done_with(result)).await.unwrap();
    remove(h, id).await.unwrap();
    assert_eq!(h.find(id).await, None);
    let read = h.store.results(vec![id], false).await.unwrap();
    assert_eq!(read, [ResultRead::Unknown]);
}

pub async fn a_message_may_be_removed_in_any_state_but_running(h: &Harness) {
    let worker = h.worker().await;
    for state in State::ALL {
        let id = h.message_in(state, &worker).await;
        let answer = remove(h, id).await;
        if state == State::Running {
            assert_eq!(kind(answer), Kind::WrongState);
            let token = h.record(id).await.token();
            worker.settle(token, Verdict::Release).await.unwrap();
            assert_eq!(worker.claim_one().await.id, id);
        } else {
            answer.unwrap();
            assert_eq!(h.find(id).await, None, "{state}");
        }
    }
    h.advance(Duration::from_secs(3_600));
    h.store.promote(10).await.unwrap();
    h.store.expire(10).await.unwrap();
    let later = h.worker().await;
    assert!(later.claim(9, any(&["t"])).await.is_empty());
}

pub async fn each_removal_is_answered_in_its_order(h: &Harness) {
    let sent = h.submit(drafts(2)).await;
    let asked = vec![sent[1], MessageId::new(), sent[0], sent[1]];
    let answers = h.store.remove(asked).await.unwrap();
    let expected = [None, Some(Kind::NotFound), None, Some(Kind::NotFound)];
    assert_eq!(kinds(answers), expected);
}
