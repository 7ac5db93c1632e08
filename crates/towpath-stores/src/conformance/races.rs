//! Races: many at once, and still each thing happens once.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use towpath_core::store::{ResultRead, StoredResult};
use towpath_core::{Draft, Kind, MessageId, Payload, Result, State, Store, limits};

use super::words::{any, card, done, done_with, draft, drafts, fail, only};
use super::{Harness, Worker};

const TASKS: usize = 6;

/// Runs `job` in several tasks at once, each with a handle of its own, and gathers the answers.
async fn at_once<F, T>(h: &Harness, job: impl Fn(Arc<dyn Store>) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(job(h.another()));
    }
    tasks.join_all().await
}

fn accepted<T>(answers: &[Result<T>]) -> usize {
    answers.iter().filter(|answer| answer.is_ok()).count()
}

pub async fn each_message_is_handed_out_exactly_once(h: &Harness) {
    let sent = h.submit(drafts(300)).await;
    let claimed = at_once(h, |store| async move {
        let worker = Worker::join(store).await;
        let mut tokens = Vec::new();
        loop {
            let messages = worker.claim(7, any(&["t"])).await;
            if messages.is_empty() {
                return tokens;
            }
            tokens.extend(messages.iter().map(towpath_core::Message::token));
        }
    });
    let mut seen: HashMap<MessageId, u32> = HashMap::new();
    for token in claimed.await.into_iter().flatten() {
        assert_eq!(token.claims, 1);
        *seen.entry(token.id).or_default() += 1;
    }
    assert_eq!(seen.len(), sent.len());
    assert!(seen.values().all(|times| *times == 1));
}

pub async fn messages_that_come_and_go_are_each_run_once(h: &Harness) {
    let jobs = at_once(h, |store| async move {
        let worker = Worker::join(store.clone()).await;
        let mut run = 0;
        for _ in 0..20 {
            store
                .submit(vec![draft("t")])
                .await
                .unwrap()
                .remove(0)
                .unwrap();
            for message in worker.claim(2, any(&["t"])).await {
                worker.settle(message.token(), done()).await.unwrap();
                run += 1;
            }
        }
        run
    });
    let run: usize = jobs.await.into_iter().sum();
    let counts = h.counts().await;
    assert_eq!((counts.succeeded, counts.running), (run as u64, 0));
    assert_eq!(counts.succeeded + counts.ready, (TASKS * 20) as u64);
    assert_eq!(h.store.doctor().await.unwrap(), []);
}

pub async fn of_many_takers_one_gets_the_result(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let verdict = done_with(StoredResult::Value(Payload::json("1")));
    worker.settle(token, verdict).await.unwrap();
    let reads = at_once(h, move |store| async move {
        store.results(vec![id], true).await.unwrap().remove(0)
    });
    let reads = reads.await;
    let got = reads
        .iter()
        .filter(|read| matches!(read, ResultRead::Value { .. }));
    assert_eq!(got.count(), 1);
    let taken = reads
        .iter()
        .filter(|read| matches!(read, ResultRead::Taken));
    assert_eq!(taken.count(), TASKS - 1);
}

pub async fn of_many_submits_of_one_id_one_is_accepted(h: &Harness) {
    let draft = draft("t");
    let answers = at_once(h, |store| {
        let draft = draft.clone();
        async move { store.submit(vec![draft]).await.unwrap().remove(0) }
    });
    let answers = answers.await;
    assert_eq!(accepted(&answers), 1);
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), Kind::AlreadyExists);
    }
    assert_eq!(h.counts().await.ready, 1);
}

/// Callers of one handle, whose messages a store may write together.
pub async fn of_many_who_submit_at_once_each_learns_of_its_own(h: &Harness) {
    let (known, both) = (h.submit_one(draft("t")).await, draft("t"));
    let mut callers = JoinSet::new();
    for number in 0..24 {
        let mut batch = drafts(number % 4 + 1);
        if number % 3 == 0 {
            batch.push(Draft {
                id: known,
                ..draft("t")
            });
        }
        batch.insert(0, both.clone());
        let store = h.store.clone();
        callers.spawn(async move {
            let ids: Vec<MessageId> = batch.iter().map(|draft| draft.id).collect();
            (number, ids, store.submit(batch).await.unwrap())
        });
    }
    let (mut new, mut first) = (1, 0);
    for (number, ids, answers) in callers.join_all().await {
        assert_eq!(answers.len(), ids.len());
        first += accepted(&answers[..1]);
        let own = number % 4 + 1;
        assert_eq!(accepted(&answers[1..=own]), own);
        new += own;
        assert_eq!(accepted(&answers[own + 1..]), 0, "{known} was known");
        for (id, answer) in ids.iter().zip(&answers) {
            assert!(answer.is_ok() || [known, both.id].contains(id));
        }
    }
    assert_eq!(first, 1);
    assert_eq!(usize::try_from(h.counts().await.ready), Ok(new + 1));
}

/// Also of those who wait for others the caller learns what became of his messages.
pub async fn what_is_submitted_while_a_handle_is_closed_is_answered_truly(h: &Harness) {
    let handle = h.another();
    let mut callers = JoinSet::new();
    for _ in 0..24 {
        let (handle, draft) = (handle.clone(), draft("t"));
        callers.spawn(async move {
            let id = draft.id;
            (id, handle.submit(vec![draft]).await)
        });
    }
    // Each has begun by then.
    tokio::task::yield_now().await;
    handle.close().await.unwrap();
    for (id, answer) in callers.join_all().await {
        let is_there = h.store.get(vec![id]).await.unwrap()[0].is_some();
        match answer {
            Ok(answers) => assert!(answers[0].is_ok() && is_there),
            Err(error) => assert_eq!((error.kind(), is_there), (Kind::Stopped, false)),
        }
    }
}

pub async fn of_many_settles_of_one_token_one_is_accepted(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let incarnation = worker.incarnation;
    let answers = at_once(h, |store| async move {
        Worker { store, incarnation }.settle(token, done()).await
    });
    assert_eq!(accepted(&answers.await), 1);
    assert_eq!(h.record(id).await.attempts.len(), 1);
}

pub async fn either_the_revocation_wins_or_the_success(h: &Harness) {
    for _ in 0..10 {
        let id = h.submit_one(draft("t")).await;
        let worker = h.worker().await;
        let token = worker.claim_one().await.token();
        let store = h.another();
        let revoke = tokio::spawn(async move { store.revoke(vec![id], false).await });
        let settled = worker.settle(token, done()).await;
        let revoked = revoke.await.unwrap().unwrap().remove(0);
        assert_ne!(settled.is_ok(), revoked.is_ok());
        let expected = if settled.is_ok() {
            State::Succeeded
        } else {
            State::Revoked
        };
        assert_eq!(h.state(id).await, expected);
    }
}

pub async fn of_many_rescuers_each_message_is_returned_once(h: &Harness) {
    let sent = h.submit(drafts(40)).await;
    let worker = h.worker().await;
    worker.claim(40, only("t")).await;
    h.advance(limits::LEASE);
    let rescues = at_once(h, |store| async move {
        let mut returned = 0;
        for _ in 0..10 {
            returned += store.rescue(5).await.unwrap().returned;
        }
        returned
    });
    assert_eq!(rescues.await.into_iter().sum::<usize>(), sent.len());
    for record in h.store.get(sent).await.unwrap() {
        let record = record.unwrap();
        assert_eq!((record.state, record.counters.strays), (State::Ready, 1));
    }
}

pub async fn of_many_requeues_one_puts_the_message_back(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker.settle(token, fail()).await.unwrap();
    let answers = at_once(h, move |store| async move {
        store.requeue(vec![id]).await.unwrap().remove(0)
    });
    assert_eq!(accepted(&answers.await), 1);
    assert_eq!(worker.claim(9, only("t")).await.len(), 1);
}

pub async fn of_many_removals_one_removes(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let answers = at_once(h, move |store| async move {
        store.remove(vec![id]).await.unwrap().remove(0)
    });
    assert_eq!(accepted(&answers.await), 1);
    assert_eq!(h.find(id).await, None);
}

pub async fn of_many_joins_of_one_incarnation_one_is_accepted(h: &Harness) {
    let incarnation = towpath_core::IncarnationId::new();
    let answers = at_once(h, move |store| async move {
        let card = card(incarnation);
        store.join(card, limits::LEASE).await
    });
    assert_eq!(accepted(&answers.await), 1);
}
