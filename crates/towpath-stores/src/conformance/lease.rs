//! Leases: who works, until when, and what becomes of what he holds.

use std::time::Duration;

use towpath_core::life::Counters;
use towpath_core::store::{Note, Rescued, Standing};
use towpath_core::{Kind, State, Token, limits};

use super::words::{card, done, draft, drafts, kind, only, task};
use super::{Harness, Worker};

const TICK: Duration = Duration::from_millis(1);

pub async fn an_incarnation_joins_once(h: &Harness) {
    let worker = h.worker().await;
    let again = || h.store.join(card(worker.incarnation), limits::LEASE);
    assert_eq!(kind(again().await), Kind::AlreadyExists);
    h.store.leave(worker.incarnation).await.unwrap();
    assert_eq!(kind(again().await), Kind::AlreadyExists);

    let dead = h.worker().await;
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    let again = h.store.join(card(dead.incarnation), limits::LEASE).await;
    assert_eq!(kind(again), Kind::AlreadyExists);
}

pub async fn before_the_end_of_a_lease_nothing_is_taken(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(limits::LEASE - TICK);
    assert_eq!(h.store.rescue(10).await.unwrap(), Rescued::default());
    assert_eq!(h.state(id).await, State::Running);
    worker.settle(token, done()).await.unwrap();
}

pub async fn a_lease_that_has_ended_is_found(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    worker.claim_one().await;
    h.advance(limits::LEASE);
    let rescued = h.store.rescue(10).await.unwrap();
    let expected = Rescued {
        returned: 1,
        given_up: 0,
        workers: 1,
    };
    assert_eq!(rescued, expected);
    assert_eq!(h.state(id).await, State::Ready);
}

pub async fn a_renewed_lease_lasts(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    for _ in 0..5 {
        h.advance(limits::LEASE - TICK);
        worker.beat(&[]).unwrap();
        assert_eq!(h.store.rescue(10).await.unwrap(), Rescued::default());
    }
    worker.settle(token, done()).await.unwrap();
}

pub async fn a_lease_may_be_made_shorter(h: &Harness) {
    let worker = h.worker().await;
    let mut keeper = worker.keeper();
    let short = towpath_core::store::Extend {
        incarnation: worker.incarnation,
        lease: Duration::from_secs(1),
        started: &[],
    };
    keeper.extend(short).unwrap();
    h.advance(Duration::from_secs(1));
    assert_eq!(h.store.rescue(10).await.unwrap().workers, 1);
}

pub async fn leaving_gives_back_what_is_held(h: &Harness) {
    let sent = h.submit(drafts(3)).await;
    let leaver = h.worker().await;
    assert_eq!(leaver.claim(9, only("t")).await.len(), 3);
    leaver
        .beat(&[Token {
            id: sent[0],
            claims: 1,
        }])
        .unwrap();
    h.store.leave(leaver.incarnation).await.unwrap();
    for id in &sent {
        let record = h.record(*id).await;
        assert_eq!(record.state, State::Ready);
        let claimed_once = Counters {
            claims: 1,
            ..Counters::default()
        };
        assert_eq!(record.counters, claimed_once);
        assert_eq!(record.worker, None);
    }
    let next = h.worker().await;
    assert_eq!(next.claim(9, only("t")).await.len(), 3);
}

pub async fn leaving_twice_or_unknown_is_harmless(h: &Harness) {
    let worker = h.worker().await;
    for _ in 0..2 {
        h.store.leave(worker.incarnation).await.unwrap();
    }
    let stranger = towpath_core::IncarnationId::new();
    h.store.leave(stranger).await.unwrap();
}

pub async fn who_left_is_refused_everywhere(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.store.leave(worker.incarnation).await.unwrap();
    refused_everywhere(&worker, token).await;
}

pub async fn who_was_found_dead_is_refused_everywhere(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    refused_everywhere(&worker, token).await;
}

pub async fn who_never_joined_is_refused_everywhere(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let stranger = Worker {
        store: h.store.clone(),
        incarnation: towpath_core::IncarnationId::new(),
    };
    refused_everywhere(&stranger, Token { id, claims: 0 }).await;
    assert_eq!(h.record(id).await.counters, Counters::default());
}

async fn refused_everywhere(worker: &Worker, token: Token) {
    assert_eq!(kind(worker.try_claim(1, only("t")).await), Kind::LeaseLost);
    assert_eq!(kind(worker.beat(&[])), Kind::LeaseLost);
    assert_eq!(kind(worker.beat(&[token])), Kind::LeaseLost);
    assert_eq!(kind(worker.settle(token, done()).await), Kind::LeaseLost);
    let note = Note::Details(serde_json::json!(1));
    assert_eq!(kind(worker.note(token, note).await), Kind::LeaseLost);
    let standing = worker.store.standing(worker.incarnation, vec![token]);
    assert_eq!(standing.await.unwrap(), [Standing::Lost]);
}

pub async fn a_heartbeat_passes_over_attempts_that_have_ended(h: &Harness) {
    let sent = h.submit(drafts(2)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(2, only("t")).await;
    worker.settle(claimed[0].token(), done()).await.unwrap();
    let never_held = Token {
        id: towpath_core::MessageId::new(),
        claims: 1,
    };
    let tokens = [claimed[0].token(), never_held, claimed[1].token()];
    worker.beat(&tokens).unwrap();
    assert_eq!(h.state(sent[0]).await, State::Succeeded);
    // The start of the other was noted all the same.
    h.kill(worker).await;
    assert_eq!(h.record(sent[1]).await.counters.losses, 1);
}

pub async fn a_heartbeat_marks_no_attempt_of_an_older_token(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let old = worker.claim_one().await.token();
    let release = towpath_core::store::Verdict::Release;
    worker.settle(old, release).await.unwrap();
    worker.claim_one().await;
    worker.beat(&[old]).unwrap();
    h.kill(worker).await;
    let counters = h.record(id).await.counters;
    assert_eq!((counters.losses, counters.strays), (0, 1));
}

pub async fn a_heartbeat_carries_its_most_started_attempts(h: &Harness) {
    h.submit(drafts(limits::STARTED_PER_HEARTBEAT)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(limits::STARTED_PER_HEARTBEAT, only("t")).await;
    let tokens: Vec<Token> = claimed.iter().map(towpath_core::Message::token).collect();
    worker.beat(&tokens).unwrap();
    h.kill(worker).await;
    for message in claimed {
        assert_eq!(h.record(message.id).await.counters.losses, 1);
    }
}

pub async fn what_has_become_of_a_token_is_told(h: &Harness) {
    let sent = h.submit(drafts(4)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(4, only("t")).await;
    let tokens: Vec<Token> = claimed.iter().map(towpath_core::Message::token).collect();
    h.store.revoke(vec![sent[1]], false).await.unwrap();
    worker.settle(tokens[2], done()).await.unwrap();
    let older = Token {
        claims: 0,
        ..tokens[3]
    };
    let mut asked = tokens.clone();
    asked.push(older);
    let answers = h
        .store
        .standing(worker.incarnation, asked.clone())
        .await
        .unwrap();
    use Standing::{Held, Lost, Revoked};
    assert_eq!(answers, [Held, Revoked, Lost, Held, Lost]);
    // To anybody else the held ones are somebody else's.
    let other = h.worker().await;
    let answers = h
        .store
        .standing(other.incarnation, vec![tokens[0]])
        .await
        .unwrap();
    assert_eq!(answers, [Lost]);
}

pub async fn workers_are_listed_with_what_they_hold(h: &Harness) {
    h.submit(drafts(3)).await;
    let (busy, idle) = (h.worker().await, h.worker().await);
    busy.claim(2, only("t")).await;
    h.advance(Duration::from_secs(4));
    idle.beat(&[]).unwrap();
    let known = h.store.workers().await.unwrap();
    let of = |worker: &Worker| {
        let found = known
            .iter()
            .find(|record| record.incarnation == worker.incarnation);
        found.expect("the worker is listed").clone()
    };
    let record = of(&busy);
    assert_eq!((&*record.name, &*record.listens), ("host:7", "everything"));
    assert_eq!(record.tasks, [task("t"), task("u")]);
    assert_eq!(record.held, 2);
    assert_eq!(
        record.lease_left,
        Some(limits::LEASE - Duration::from_secs(4))
    );
    assert_eq!(record.joined_at.after(Duration::from_secs(4)), h.now());
    assert_eq!(
        (of(&idle).held, of(&idle).lease_left),
        (0, Some(limits::LEASE))
    );
}

pub async fn who_is_gone_is_listed_without_a_lease(h: &Harness) {
    h.submit(drafts(1)).await;
    let (left, dead) = (h.worker().await, h.worker().await);
    dead.claim_one().await;
    h.store.leave(left.incarnation).await.unwrap();
    h.advance(limits::LEASE);
    h.store.rescue(10).await.unwrap();
    for record in h.store.workers().await.unwrap() {
        assert_eq!((record.lease_left, record.held), (None, 0));
    }
}
