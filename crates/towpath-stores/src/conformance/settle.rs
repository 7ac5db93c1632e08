//! Settle: what each verdict does, and who may still say it.

use std::time::Duration;

use towpath_core::life::Counters;
use towpath_core::message::{AttemptOutcome, ResultRecord};
use towpath_core::store::{ResultRead, Settle, SettleRequest, StoredResult, Verdict};
use towpath_core::{FailReason, IncarnationId, Kind, Payload, State, Status, Timestamp, limits};

use super::words::{
    done, done_then, done_with, draft, drafts, fail, ids, kind, kinds, only, oops, retry, snooze,
};
use super::{Harness, Worker};

const SECOND: Duration = Duration::from_secs(1);

pub async fn every_verdict_moves_as_the_life_table_says(h: &Harness) {
    let worker = h.worker().await;
    let verdicts = [
        (done(), State::Succeeded),
        (retry(SECOND), State::Scheduled),
        (retry(Duration::ZERO), State::Ready),
        (fail(), State::Failed),
        (Verdict::Release, State::Ready),
        (snooze(SECOND), State::Scheduled),
        (snooze(Duration::ZERO), State::Ready),
    ];
    for (verdict, state) in verdicts {
        let id = h.submit_one(draft("t")).await;
        let message = worker.claim_one().await;
        let expected = message.counters.after(verdict.verb());
        assert!(verdict.verb().rule().to.contains(&state));
        worker
            .settle(message.token(), verdict.clone())
            .await
            .unwrap();
        let record = h.record(id).await;
        assert_eq!(
            (record.state, record.counters),
            (state, expected),
            "{verdict:?}"
        );
        assert_eq!((record.worker.as_ref(), record.updated_at), (None, h.now()));
        h.store.remove(vec![id]).await.unwrap();
    }
}

pub async fn success_keeps_result_and_time(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(SECOND);
    let payload = Payload::json("[1,2]");
    let verdict = done_with(StoredResult::Value(payload.clone()));
    worker.settle(token, verdict).await.unwrap();
    let record = h.record(id).await;
    assert_eq!(record.finished_at, Some(h.now()));
    assert_eq!(record.result, ResultRecord::Kept { size: 5 });
    let read = ResultRead::Value {
        payload: Some(payload),
        finished_at: h.now(),
    };
    assert_eq!(h.store.results(vec![id], false).await.unwrap(), [read]);
}

pub async fn a_retry_waits_from_the_failure_on_the_stores_clock(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(SECOND * 5);
    worker.settle(token, retry(SECOND * 3)).await.unwrap();
    let record = h.record(id).await;
    assert_eq!(record.due_at, h.now().after(SECOND * 3));
    assert_eq!(record.status(), Status::Retrying);
    assert_eq!(record.error(), Some(&oops()));
    h.advance(SECOND * 3);
    h.store.promote(1).await.unwrap();
    let again = worker.claim_one().await;
    assert_eq!(
        (again.id, again.counters.claims, again.counters.retries),
        (id, 2, 1)
    );
}

pub async fn a_failure_keeps_its_reason_and_its_error(h: &Harness) {
    let worker = h.worker().await;
    for reason in FailReason::ALL {
        let id = h.submit_one(draft("t")).await;
        let token = worker.claim_one().await.token();
        let verdict = Verdict::Fail {
            reason,
            error: oops(),
        };
        worker.settle(token, verdict).await.unwrap();
        let record = h.record(id).await;
        assert_eq!((record.state, record.reason), (State::Failed, Some(reason)));
        assert_eq!(record.error(), Some(&oops()));
        assert_eq!(record.finished_at, Some(h.now()));
    }
}

pub async fn a_release_changes_no_counter(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    worker
        .settle(message.token(), Verdict::Release)
        .await
        .unwrap();
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.counters),
        (State::Ready, message.counters)
    );
    assert_eq!(record.status(), Status::Retrying);
}

pub async fn one_snooze_too_many_is_rejected(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let mut message = worker.claim_one().await;
    for snoozes in 0..limits::SNOOZES {
        assert_eq!(message.counters.snoozes, snoozes);
        let item = (message.token(), snooze(Duration::ZERO));
        let wish = worker.wish(1, only("t"));
        let mut settled = worker.settle_and_claim([item], Some(wish)).await;
        message = settled.claimed.pop().expect("it is ready at once");
    }
    worker
        .settle(message.token(), snooze(Duration::ZERO))
        .await
        .unwrap();
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.reason),
        (State::Failed, Some(FailReason::Rejected))
    );
    assert!(record.error().is_some());
}

pub async fn a_late_settle_is_refused_and_changes_nothing(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let late = h.worker().await;
    let token = late.claim_one().await.token();
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    assert_eq!(kind(late.settle(token, done()).await), Kind::LeaseLost);
    assert_eq!(h.state(id).await, State::Ready);

    let heir = h.worker().await;
    let newer = heir.claim_one().await;
    let before = h.record(id).await;
    for verdict in every_verdict() {
        assert_eq!(kind(late.settle(token, verdict).await), Kind::LeaseLost);
    }
    assert_eq!(h.record(id).await, before);
    heir.settle(newer.token(), done()).await.unwrap();
}

fn every_verdict() -> [Verdict; 5] {
    [
        done_with(StoredResult::Value(Payload::json("1"))),
        retry(SECOND),
        fail(),
        Verdict::Release,
        snooze(SECOND),
    ]
}

pub async fn an_older_token_is_refused_even_to_the_one_who_holds_the_newer(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let old = worker.claim_one().await.token();
    worker.settle(old, Verdict::Release).await.unwrap();
    let new = worker.claim_one().await.token();
    assert_eq!((new.id, new.claims), (old.id, old.claims + 1));
    let before = h.record(id).await;
    for verdict in every_verdict() {
        assert_eq!(kind(worker.settle(old, verdict).await), Kind::LeaseLost);
    }
    assert_eq!(h.record(id).await, before);
    worker.settle(new, done()).await.unwrap();
}

pub async fn a_token_is_worth_nothing_in_other_hands(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let (holder, thief) = (h.worker().await, h.worker().await);
    let token = holder.claim_one().await.token();
    assert_eq!(kind(thief.settle(token, done()).await), Kind::LeaseLost);
    assert_eq!(h.state(id).await, State::Running);
    holder.settle(token, done()).await.unwrap();
}

pub async fn a_token_of_the_future_is_refused(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let mut token = worker.claim_one().await.token();
    token.claims += 1;
    assert_eq!(kind(worker.settle(token, done()).await), Kind::LeaseLost);
    assert_eq!(h.state(id).await, State::Running);
}

pub async fn a_settle_is_not_done_twice(h: &Harness) {
    let worker = h.worker().await;
    for verdict in every_verdict() {
        let id = h.submit_one(draft("t")).await;
        let token = worker.claim_one().await.token();
        worker.settle(token, verdict.clone()).await.unwrap();
        let before = h.record(id).await;
        assert_eq!(kind(worker.settle(token, verdict).await), Kind::LeaseLost);
        assert_eq!(h.record(id).await, before);
        h.store.remove(vec![id]).await.unwrap();
    }
}

pub async fn each_item_stands_for_itself_in_its_order(h: &Harness) {
    let sent = h.submit(drafts(3)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(3, only("t")).await;
    let [first, second, third] = [0, 1, 2].map(|i: usize| claimed[i].token());
    h.store.revoke(vec![second.id], false).await.unwrap();
    let items = [(first, done()), (second, done()), (third, fail())];
    let answers = worker.settle_all(items).await.items;
    assert_eq!(kinds(answers), [None, Some(Kind::LeaseLost), None]);
    assert_eq!(h.state(sent[0]).await, State::Succeeded);
    assert_eq!(h.state(sent[1]).await, State::Revoked);
    assert_eq!(h.state(sent[2]).await, State::Failed);
}

pub async fn of_two_verdicts_on_one_attempt_the_first_counts(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let answers = worker
        .settle_all([(token, done()), (token, fail())])
        .await
        .items;
    assert_eq!(kinds(answers), [None, Some(Kind::LeaseLost)]);
    assert_eq!(h.state(id).await, State::Succeeded);
}

pub async fn a_refused_item_leaves_nothing_behind(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.store.revoke(vec![id], false).await.unwrap();
    let before = h.record(id).await;
    let callback = draft("next");
    let verdict = Verdict::Done {
        result: StoredResult::Value(Payload::json("1")),
        callbacks: vec![callback.clone()],
    };
    assert_eq!(kind(worker.settle(token, verdict).await), Kind::LeaseLost);
    assert_eq!(h.record(id).await, before);
    assert_eq!(h.find(callback.id).await, None);
    let read = h.store.results(vec![id], false).await.unwrap();
    assert_eq!(read, [ResultRead::Revoked]);
}

pub async fn a_settle_claims_in_the_same_step(h: &Harness) {
    let sent = h.submit(drafts(4)).await;
    let worker = h.worker().await;
    let first = worker.claim_one().await;
    let wish = worker.wish(2, only("t"));
    let settled = worker
        .settle_and_claim([(first.token(), done())], Some(wish))
        .await;
    assert_eq!(ids(&settled.claimed), sent[1..3]);
    assert_eq!(h.state(sent[1]).await, State::Running);
    worker
        .settle(settled.claimed[0].token(), done())
        .await
        .unwrap();
}

pub async fn a_settle_without_items_may_claim(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let wish = worker.wish(9, only("t"));
    let settled = worker.settle_and_claim([], Some(wish)).await;
    assert!(settled.items.is_empty());
    assert_eq!(ids(&settled.claimed), [id]);
}

pub async fn what_a_settle_submits_may_be_claimed_in_the_same_step(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let callback = draft("t");
    let item = (token, done_then(vec![callback.clone()]));
    let wish = worker.wish(9, only("t"));
    let settled = worker.settle_and_claim([item], Some(wish)).await;
    assert_eq!(ids(&settled.claimed), [callback.id]);
}

pub async fn who_is_gone_settles_nothing_and_is_handed_nothing(h: &Harness) {
    let sent = h.submit(drafts(3)).await;
    let gone = h.worker().await;
    let claimed = gone.claim(2, only("t")).await;
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    let items = claimed.iter().map(|message| (message.token(), done()));
    let wish = gone.wish(9, only("t"));
    let settled = gone.settle_and_claim(items, Some(wish)).await;
    assert_eq!(kinds(settled.items), [Some(Kind::LeaseLost); 2]);
    assert!(settled.claimed.is_empty());
    assert_eq!(h.state(sent[2]).await, State::Ready);
}

pub async fn what_is_not_in_the_store_cannot_be_settled(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.store.revoke(vec![id], false).await.unwrap();
    h.store.remove(vec![id]).await.unwrap();
    assert_eq!(kind(worker.settle(token, done()).await), Kind::LeaseLost);
    assert_eq!(h.find(id).await, None);
}

pub async fn an_attempt_is_remembered(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let started_at = Timestamp::from_millis(1_700_000_000_123);
    h.advance(SECOND);
    let item = Settle {
        token,
        started_at: Some(started_at),
        verdict: retry(Duration::ZERO),
        unlock: Vec::new(),
    };
    let request = SettleRequest {
        incarnation: worker.incarnation,
        items: vec![item],
        claim: None,
    };
    h.store
        .settle(request)
        .await
        .unwrap()
        .items
        .remove(0)
        .unwrap();
    let record = h.record(id).await;
    let [attempt] = &record.attempts[..] else {
        panic!("{:?}", record.attempts)
    };
    assert_eq!((attempt.claims, &*attempt.worker), (1, "host:7"));
    assert_eq!(
        (attempt.started_at, attempt.ended_at),
        (Some(started_at), h.now())
    );
    assert_eq!(attempt.outcome, AttemptOutcome::Retried);
    assert_eq!(attempt.error.as_ref(), Some(&oops()));
}

pub async fn every_attempt_that_started_says_how_it_ended(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let verdicts = [
        (retry(Duration::ZERO), AttemptOutcome::Retried),
        (snooze(Duration::ZERO), AttemptOutcome::Snoozed),
        (Verdict::Release, AttemptOutcome::Released),
        (done(), AttemptOutcome::Done),
    ];
    let expected: Vec<_> = verdicts.iter().map(|(_, outcome)| *outcome).collect();
    for (verdict, _) in verdicts {
        let token = worker.claim_one().await.token();
        worker.settle(token, verdict).await.unwrap();
    }
    let record = h.record(id).await;
    let outcomes: Vec<_> = record
        .attempts
        .iter()
        .map(|attempt| attempt.outcome)
        .collect();
    assert_eq!(outcomes, expected);
}

pub async fn what_was_given_back_unstarted_leaves_no_attempt(h: &Harness) {
    let sent = h.submit(drafts(3)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(3, only("t")).await;
    let item = Settle {
        token: claimed[0].token(),
        started_at: None,
        verdict: Verdict::Release,
        unlock: Vec::new(),
    };
    let request = SettleRequest {
        incarnation: worker.incarnation,
        items: vec![item],
        claim: None,
    };
    let settled = h.store.settle(request).await.unwrap();
    assert_eq!(kinds(settled.items), [None]);
    h.store.revoke(vec![sent[1]], false).await.unwrap();
    h.store.leave(worker.incarnation).await.unwrap();
    for id in sent {
        assert_eq!(h.record(id).await.attempts, []);
    }
}

pub async fn the_last_ten_attempts_are_kept(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    for _ in 0..limits::ATTEMPTS_KEPT + 3 {
        let token = worker.claim_one().await.token();
        worker.settle(token, retry(Duration::ZERO)).await.unwrap();
    }
    let claims: Vec<u32> = h
        .record(id)
        .await
        .attempts
        .iter()
        .map(|a| a.claims)
        .collect();
    assert_eq!(claims, (4..=13).collect::<Vec<u32>>());
}

pub async fn nothing_settled_is_answered_with_nothing(h: &Harness) {
    let worker = h.worker().await;
    let settled = worker.settle_all([]).await;
    assert!(settled.items.is_empty() && settled.claimed.is_empty());
    let stranger = Worker {
        store: h.store.clone(),
        incarnation: IncarnationId::new(),
    };
    assert!(stranger.settle_all([]).await.items.is_empty());
}

pub async fn a_settled_message_is_held_by_nobody(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker.settle(token, done()).await.unwrap();
    h.kill(worker).await;
    let record = h.record(id).await;
    let claimed_once = Counters {
        claims: 1,
        ..Counters::default()
    };
    assert_eq!(
        (record.state, record.counters),
        (State::Succeeded, claimed_once)
    );
}
