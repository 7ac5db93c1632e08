//! Rescue: what becomes of messages whose worker was lost.

use std::time::Duration;

use towpath_core::life::Counters;
use towpath_core::message::AttemptOutcome;
use towpath_core::store::Rescued;
use towpath_core::{Backoff, FailReason, Kind, Message, MessageId, State, Status, Token, limits};

use super::words::{done, draft, drafts, kind, only, retry};
use super::{Harness, Worker};

/// Loses the worker that has claimed the next message, after its start was told.
async fn lose_started(h: &Harness) -> MessageId {
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker.beat(&[token]).unwrap();
    h.kill(worker).await;
    token.id
}

pub async fn one_that_had_not_started_is_ready_at_once(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    worker.claim_one().await;
    h.kill(worker).await;
    let record = h.record(id).await;
    let expected = Counters {
        claims: 1,
        strays: 1,
        ..Counters::default()
    };
    assert_eq!((record.state, record.counters), (State::Ready, expected));
    assert_eq!((record.due_at, record.worker.as_ref()), (h.now(), None));
    assert_eq!(record.status(), Status::Retrying);
    // It may have run all the same, so its end is remembered.
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(record.attempts[0].outcome, AttemptOutcome::Lost);
    assert_eq!(record.attempts[0].started_at, None);
}

pub async fn the_first_loss_is_forgiven_at_once(h: &Harness) {
    h.submit_one(draft("t")).await;
    let id = lose_started(h).await;
    let record = h.record(id).await;
    let expected = Counters {
        claims: 1,
        losses: 1,
        ..Counters::default()
    };
    assert_eq!((record.state, record.counters), (State::Ready, expected));
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(record.attempts[0].outcome, AttemptOutcome::Lost);
    assert_eq!(record.attempts[0].worker, "host:7");
    assert!(record.attempts[0].started_at.is_some());
}

pub async fn from_the_second_loss_on_a_message_waits(h: &Harness) {
    h.submit_one(draft("t")).await;
    let id = lose_started(h).await;
    for losses in 2..=limits::LOSSES {
        lose_started(h).await;
        let record = h.record(id).await;
        let wait = Backoff::default().get(losses);
        assert_eq!(
            (record.state, record.counters.losses),
            (State::Scheduled, losses)
        );
        assert_eq!(record.due_at, h.now().after(wait));
        assert_eq!(record.counters.retries, 0);
        h.until_ready(id).await;
    }
}

pub async fn one_loss_too_many_makes_a_dead_letter(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    for _ in 0..limits::LOSSES {
        lose_started(h).await;
        if h.state(id).await == State::Scheduled {
            h.until_ready(id).await;
        }
    }
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker.beat(&[token]).unwrap();
    h.advance(limits::LEASE);
    let expected = Rescued {
        returned: 0,
        given_up: 1,
        workers: 1,
    };
    assert_eq!(h.store.rescue(10).await.unwrap(), expected);
    let record = h.record(id).await;
    assert_eq!(
        (record.state, record.reason),
        (State::Failed, Some(FailReason::Lost))
    );
    assert_eq!(record.counters.losses, limits::LOSSES + 1);
    assert_eq!(record.finished_at, Some(h.now()));
}

pub async fn a_message_that_ends_its_worker_at_once_ends_itself(h: &Harness) {
    // No heartbeat ever tells that it started. Beside it others are prefetched.
    let poison = h.submit_one(draft("t")).await;
    let bystanders = h.submit(drafts(3)).await;
    let mut deaths = 0;
    while h.state(poison).await != State::Failed {
        if h.state(poison).await == State::Scheduled {
            h.until_ready(poison).await;
        }
        let worker = h.worker().await;
        let claimed = worker.claim(10, only("t")).await;
        if claimed.iter().any(|message| message.id == poison) {
            deaths += 1;
            h.kill(worker).await;
        } else {
            h.store.leave(worker.incarnation).await.unwrap();
        }
        assert!(deaths < 20, "it goes on ending workers");
    }
    assert_eq!(h.record(poison).await.reason, Some(FailReason::Lost));
    for id in bystanders {
        let record = h.record(id).await;
        assert_eq!((record.state, record.counters.losses), (State::Ready, 0));
    }
}

pub async fn those_prefetched_beside_it_lose_nothing(h: &Harness) {
    let sent = h.submit(drafts(3)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(3, only("t")).await;
    worker.beat(&[claimed[1].token()]).unwrap();
    h.kill(worker).await;
    let mut losses = Vec::new();
    for id in sent {
        let record = h.record(id).await;
        assert_eq!(record.state, State::Ready);
        losses.push((record.counters.losses, record.counters.strays));
    }
    assert_eq!(losses, [(0, 1), (1, 0), (0, 1)]);
}

pub async fn a_retry_forgets_strays_and_keeps_losses(h: &Harness) {
    h.submit_one(draft("t")).await;
    let id = lose_started(h).await;
    let stray = h.worker().await;
    stray.claim_one().await;
    h.kill(stray).await;
    assert_eq!(h.record(id).await.counters.strays, 1);
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker.settle(token, retry(Duration::ZERO)).await.unwrap();
    let counters = h.record(id).await.counters;
    assert_eq!(
        (counters.strays, counters.losses, counters.retries),
        (0, 1, 1)
    );
}

pub async fn the_living_keep_what_they_hold(h: &Harness) {
    let sent = h.submit(drafts(2)).await;
    let (living, dying) = (h.worker().await, h.worker().await);
    let held = living.claim_one().await;
    dying.claim_one().await;
    h.advance(limits::LEASE / 2);
    living.beat(&[]).unwrap();
    h.advance(limits::LEASE / 2);
    let rescued = h.store.rescue(10).await.unwrap();
    assert_eq!((rescued.returned, rescued.workers), (1, 1));
    assert_eq!(h.state(sent[0]).await, State::Running);
    assert_eq!(h.state(sent[1]).await, State::Ready);
    living.settle(held.token(), done()).await.unwrap();
}

pub async fn a_step_takes_at_most_what_was_asked_for(h: &Harness) {
    let sent = h.submit(drafts(5)).await;
    let worker = h.worker().await;
    let tokens: Vec<Token> = worker
        .claim(5, only("t"))
        .await
        .iter()
        .map(Message::token)
        .collect();
    h.advance(limits::LEASE);
    let mut returned = Vec::new();
    for _ in 0..4 {
        returned.push(h.store.rescue(2).await.unwrap().returned);
        // From the first step on the dead may not touch what has not been taken yet.
        for token in &tokens {
            assert_eq!(kind(worker.settle(*token, done()).await), Kind::LeaseLost);
        }
        assert_eq!(kind(worker.beat(&tokens)), Kind::LeaseLost);
    }
    assert_eq!(returned, [2, 2, 1, 0]);
    for id in sent {
        assert_eq!(h.state(id).await, State::Ready);
    }
}

pub async fn a_rescue_is_not_done_twice(h: &Harness) {
    h.submit(drafts(3)).await;
    let worker = h.worker().await;
    worker.claim(3, only("t")).await;
    h.advance(limits::LEASE);
    assert_eq!(h.store.rescue(10).await.unwrap().returned, 3);
    assert_eq!(h.store.rescue(10).await.unwrap(), Rescued::default());
    assert_eq!(h.another().rescue(10).await.unwrap(), Rescued::default());
}

pub async fn the_next_claim_has_a_greater_token(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let old = worker.claim_one().await.token();
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    let heir = Worker::join(h.another()).await;
    assert!(heir.claim_one().await.token() > old);
}

pub async fn a_worker_that_held_nothing_is_buried_too(h: &Harness) {
    let worker = h.worker().await;
    h.advance(limits::LEASE);
    let expected = Rescued {
        returned: 0,
        given_up: 0,
        workers: 1,
    };
    assert_eq!(h.store.rescue(10).await.unwrap(), expected);
    assert_eq!(kind(worker.beat(&[])), Kind::LeaseLost);
}
