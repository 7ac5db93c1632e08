//! Revoke: what waits will not run, what runs is dropped.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Revoked, Standing};
use towpath_core::{Kind, MessageId, State};

use super::Harness;
use super::words::{any, done, draft, fail, kind, kinds};

pub async fn a_message_that_waits_will_not_run(h: &Harness) {
    let worker = h.worker().await;
    for state in [State::Ready, State::Scheduled] {
        let id = h.message_in(state, &worker).await;
        let answers = h.store.revoke(vec![id], false).await.unwrap();
        assert_eq!(*answers[0].as_ref().unwrap(), Revoked::Waiting);
        let record = h.record(id).await;
        assert_eq!(
            (record.state, record.finished_at),
            (State::Revoked, Some(h.now()))
        );
        assert!(record.attempts.is_empty());
    }
    h.advance(Duration::from_secs(3_600));
    h.store.promote(10).await.unwrap();
    let later = h.worker().await;
    assert!(later.claim(9, any(&["t"])).await.is_empty());
}

pub async fn a_message_that_runs_is_taken_from_its_worker(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    worker.beat(&[token]).unwrap();
    let answers = h.store.revoke(vec![id], false).await.unwrap();
    assert_eq!(*answers[0].as_ref().unwrap(), Revoked::Running);
    let standing = h.store.standing(worker.incarnation, vec![token]).await;
    assert_eq!(standing.unwrap(), [Standing::Revoked]);
    for verdict in [done(), fail()] {
        assert_eq!(kind(worker.settle(token, verdict).await), Kind::LeaseLost);
    }
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.worker.as_ref()),
        (State::Revoked, None)
    );
    let outcomes: Vec<_> = record
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, [AttemptOutcome::Revoked]);
}

pub async fn a_revoked_message_is_not_rescued(h: &Harness) {
    let worker = h.worker().await;
    let id = h.message_in(State::Running, &worker).await;
    h.store.revoke(vec![id], false).await.unwrap();
    h.kill(worker).await;
    assert_eq!(h.state(id).await, State::Revoked);
}

pub async fn those_that_run_may_be_spared(h: &Harness) {
    let worker = h.worker().await;
    let running = h.message_in(State::Running, &worker).await;
    let waiting = h.message_in(State::Scheduled, &worker).await;
    let answers = h.store.revoke(vec![running, waiting], true).await.unwrap();
    assert_eq!(kinds(answers), [Some(Kind::WrongState), None]);
    assert_eq!(h.state(running).await, State::Running);
    assert_eq!(h.state(waiting).await, State::Revoked);
    let token = h.record(running).await.token();
    worker.settle(token, done()).await.unwrap();
}

pub async fn what_has_ended_cannot_be_revoked(h: &Harness) {
    let worker = h.worker().await;
    for state in [State::Succeeded, State::Failed, State::Revoked] {
        let id = h.message_in(state, &worker).await;
        let before = h.record(id).await;
        h.advance(Duration::from_secs(1));
        for skip_running in [false, true] {
            let answers = h.store.revoke(vec![id], skip_running).await.unwrap();
            assert_eq!(kinds(answers), [Some(Kind::WrongState)], "{state}");
        }
        assert_eq!(h.record(id).await, before);
    }
}

pub async fn each_id_is_answered_in_its_order(h: &Harness) {
    let worker = h.worker().await;
    let running = h.message_in(State::Running, &worker).await;
    let ended = h.message_in(State::Succeeded, &worker).await;
    let waiting = h.message_in(State::Ready, &worker).await;
    let asked = vec![MessageId::new(), waiting, ended, running, waiting];
    let answers = h.store.revoke(asked, false).await.unwrap();
    let expected = [
        Some(Kind::NotFound),
        None,
        Some(Kind::WrongState),
        None,
        Some(Kind::WrongState),
    ];
    assert_eq!(kinds(answers), expected);
}

pub async fn a_revocation_changes_no_counter(h: &Harness) {
    let worker = h.worker().await;
    let id = h.message_in(State::Running, &worker).await;
    let before = h.record(id).await.counters;
    h.store.revoke(vec![id], false).await.unwrap();
    assert_eq!(h.record(id).await.counters, before);
}
