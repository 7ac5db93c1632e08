//! Batches: messages that came in one call are messages like any others. A store may keep them together as
//! long as nobody can tell.

use std::time::Duration;

use towpath_core::store::{List, Note, Retention, Section, Update};
use towpath_core::{Kind, Message, MessageId, State, Token, limits};

use super::words::{done, draft, drafts, fail, ids, kind, kinds, only, retry, with_priority};
use super::{Harness, Worker};

const SECOND: Duration = Duration::from_secs(1);

fn successes(messages: &[Message]) -> Vec<(Token, towpath_core::store::Verdict)> {
    messages.iter().map(|m| (m.token(), done())).collect()
}

async fn states(h: &Harness, ids: &[MessageId]) -> Vec<Option<State>> {
    let records = h.store.get(ids.to_vec()).await.unwrap();
    records
        .iter()
        .map(|r| r.as_ref().map(|r| r.state))
        .collect()
}

async fn listed(h: &Harness, section: Section, limit: usize) -> Vec<MessageId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let window = h
            .store
            .list(List {
                section,
                after,
                limit,
            })
            .await
            .unwrap();
        found.extend(window.records.iter().map(|record| record.id));
        after = window.next;
        if after.is_none() {
            return found;
        }
    }
}

pub async fn a_batch_is_handed_out_in_any_parts(h: &Harness) {
    let sent = h.submit(drafts(100)).await;
    let worker = h.worker().await;
    let mut claimed = Vec::new();
    for max in [1, 40, 7, 32, 200] {
        let part = worker.claim(max, only("t")).await;
        assert!(part.len() <= max);
        claimed.extend(ids(&part));
    }
    assert_eq!(claimed, sent);
}

pub async fn a_batch_ends_in_any_parts_each_once(h: &Harness) {
    let sent = h.submit(drafts(40)).await;
    let worker = h.worker().await;
    let mut claimed = worker.claim(40, only("t")).await;
    claimed.reverse();
    let (first, rest) = claimed.split_at(15);
    for part in [first, &rest[..5], &rest[5..]] {
        let settled = worker.settle_all(successes(part)).await;
        assert_eq!(kinds(settled.items), vec![None; part.len()]);
        // The same call again, whose first answer may have been lost.
        let again = worker.settle_all(successes(part)).await;
        assert_eq!(kinds(again.items), vec![Some(Kind::LeaseLost); part.len()]);
    }
    assert_eq!(states(h, &sent).await, vec![Some(State::Succeeded); 40]);
    assert_eq!(h.counts().await.succeeded, 40);
}

pub async fn one_call_may_end_a_batch_in_every_way(h: &Harness) {
    let sent = h.submit(drafts(20)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(20, only("t")).await;
    let verdict = |at: usize| match at % 4 {
        0 => retry(SECOND),
        1 => fail(),
        _ => done(),
    };
    let items = claimed.iter().enumerate();
    let items = items.map(|(at, message)| (message.token(), verdict(at)));
    let settled = worker.settle_all(items).await;
    assert_eq!(kinds(settled.items), vec![None; 20]);
    for (at, id) in sent.iter().enumerate() {
        let expected = match at % 4 {
            0 => State::Scheduled,
            1 => State::Failed,
            _ => State::Succeeded,
        };
        assert_eq!(h.state(*id).await, expected, "{at}");
    }
    let counts = h.counts().await;
    assert_eq!(
        (counts.scheduled, counts.failed, counts.succeeded),
        (5, 5, 10)
    );
    assert_eq!(counts.running, 0);
}

pub async fn only_its_worker_ends_a_batch(h: &Harness) {
    h.submit(drafts(10)).await;
    let (worker, other) = (h.worker().await, h.worker().await);
    let claimed = worker.claim(10, only("t")).await;
    let settled = other.settle_all(successes(&claimed)).await;
    assert_eq!(kinds(settled.items), vec![Some(Kind::LeaseLost); 10]);
    let later = claimed.iter().map(|message| {
        let mut token = message.token();
        token.claims += 1;
        (token, done())
    });
    let settled = worker.settle_all(later).await;
    assert_eq!(kinds(settled.items), vec![Some(Kind::LeaseLost); 10]);
    let settled = worker.settle_all(successes(&claimed)).await;
    assert_eq!(kinds(settled.items), vec![None; 10]);
}

pub async fn a_known_one_in_a_batch_is_refused_alone(h: &Harness) {
    let known = drafts(3);
    h.submit(known.clone()).await;
    let mut batch = drafts(10);
    batch[4] = known[1].clone();
    let answers = h.store.submit(batch.clone()).await.unwrap();
    let mut expected = vec![None; 10];
    expected[4] = Some(Kind::AlreadyExists);
    assert_eq!(kinds(answers), expected);
    let again = h.store.submit(batch.clone()).await.unwrap();
    assert_eq!(kinds(again), vec![Some(Kind::AlreadyExists); 10]);
    let one = h.store.submit(vec![batch[0].clone()]).await.unwrap();
    assert_eq!(kinds(one), [Some(Kind::AlreadyExists)]);
    batch.remove(4);
    let sent = known.iter().chain(&batch).map(|draft| draft.id);
    let worker = h.worker().await;
    assert_eq!(
        ids(&worker.claim(100, only("t")).await),
        sent.collect::<Vec<_>>()
    );
}

pub async fn one_of_a_waiting_batch_is_called_off_alone(h: &Harness) {
    let mut sent = h.submit(drafts(10)).await;
    sent.extend(h.submit(drafts(10)).await);
    for at in [0, 4, 13] {
        let answers = h.store.revoke(vec![sent[at]], false).await.unwrap();
        answers[0].as_ref().unwrap();
    }
    let answers = h.store.remove(vec![sent[7]]).await.unwrap();
    answers[0].as_ref().unwrap();
    let ready = h.queues().await[0].lines[0].ready;
    assert_eq!((ready, h.counts().await.ready), (16, 16));
    for at in [13, 7, 4, 0] {
        sent.remove(at);
    }
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(100, only("t")).await), sent);
    assert_eq!(h.queues().await.len(), 0);
}

pub async fn a_batch_all_of_which_is_called_off_leaves_its_line(h: &Harness) {
    let sent = h.submit(drafts(40)).await;
    for answer in h.store.revoke(sent, false).await.unwrap() {
        answer.unwrap();
    }
    assert_eq!(h.queues().await.len(), 0);
    let next = h.submit(drafts(2)).await;
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(100, only("t")).await), next);
}

pub async fn one_of_a_batch_comes_back_to_its_place(h: &Harness) {
    let batch = drafts(5).into_iter().map(|draft| with_priority(draft, 5));
    let sent = h.submit(batch).await;
    h.submit([with_priority(draft("t"), 5)]).await;
    for priority in [1, 9, 5] {
        let update = Update {
            priority: Some(priority),
            ..Update::default()
        };
        let answers = h.store.update(vec![(sent[2], update)]).await.unwrap();
        answers[0].as_ref().unwrap();
        let record = h.record(sent[2]).await;
        assert_eq!((record.priority, record.state), (priority, State::Ready));
    }
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(5, only("t")).await), sent);
    assert_eq!(worker.claim(5, only("t")).await.len(), 1);
}

pub async fn a_batch_of_many_lines_is_merged_in_its_order(h: &Harness) {
    let names = ["t", "t", "u", "t", "u", "u", "t", "t"];
    let sent = h.submit(names.map(draft)).await;
    let worker = h.worker().await;
    let both = super::words::of_queues(&["default"], &["t", "u"]);
    let mut claimed = ids(&worker.claim(3, both.clone()).await);
    claimed.extend(ids(&worker.claim(100, both).await));
    assert_eq!(claimed, sent);
}

pub async fn windows_cut_through_batches(h: &Harness) {
    let mut sent = h.submit(drafts(50)).await;
    sent.extend(h.submit(drafts(7)).await);
    for limit in [3, 50, 500] {
        assert_eq!(listed(h, Section::Ready, limit).await, sent);
    }
    let worker = h.worker().await;
    let claimed = worker.claim(100, only("t")).await;
    worker.settle_all(successes(&claimed[20..21])).await;
    // Each once, in whatever section.
    let mut all = listed(h, Section::All, 500).await;
    all.sort_unstable();
    let ended = sent.remove(20);
    sent.sort_unstable();
    let expected: Vec<MessageId> = sent.iter().copied().chain([ended]).collect();
    assert_eq!(all.len(), expected.len());
    assert!(expected.iter().all(|id| all.binary_search(id).is_ok()));
    for limit in [3, 50, 500] {
        let mut running = listed(h, Section::Running, limit).await;
        running.sort_unstable();
        assert_eq!(running, sent);
    }
}

pub async fn every_message_of_a_batch_is_counted(h: &Harness) {
    let sent = h.submit(drafts(20)).await;
    let line = h.queues().await[0].lines[0].clone();
    assert_eq!((line.ready, h.counts().await.ready), (20, 20));
    let worker = h.worker().await;
    let claimed = worker.claim(20, only("t")).await;
    worker.settle_all(successes(&claimed[..6])).await;
    worker.beat(&[claimed[7].token()]).unwrap();
    let workers = h.store.workers().await.unwrap();
    assert_eq!((workers[0].held, h.counts().await.running), (14, 14));
    h.store.revoke(vec![sent[8]], false).await.unwrap();
    let counts = h.counts().await;
    assert_eq!(
        (counts.running, counts.succeeded, counts.revoked),
        (13, 6, 1)
    );
}

/// An id whose message is gone may come again while others of its batch still run.
pub async fn an_id_of_a_batch_may_be_used_again(h: &Harness) {
    let batch = drafts(2);
    h.submit(batch.clone()).await;
    let worker = h.worker().await;
    let claimed = worker.claim(2, only("t")).await;
    worker.settle_all(successes(&claimed[..1])).await;
    let removed = h.store.remove(vec![batch[0].id]).await.unwrap();
    assert_eq!(kinds(removed), [None]);
    let again = h.submit([batch[0].clone(), draft("t")]).await;
    worker.beat(&[claimed[1].token()]).unwrap();
    assert_eq!(states(h, &again).await, [Some(State::Ready); 2]);
    let late = worker.settle_all(successes(&claimed[..1])).await;
    assert_eq!(kinds(late.items), [Some(Kind::LeaseLost)]);
    let other = h.worker().await;
    let taken = other.claim(10, only("t")).await;
    assert_eq!(ids(&taken), again);
    let running = listed(h, Section::Running, 500).await;
    assert_eq!(running.len(), 3);
    worker
        .settle_all([(claimed[1].token(), retry(SECOND))])
        .await;
    let settled = other.settle_all(successes(&taken)).await;
    assert_eq!(kinds(settled.items), [None, None]);
    assert_eq!(h.counts().await.running, 0);
}

pub async fn a_note_may_be_left_with_one_of_a_batch(h: &Harness) {
    h.submit(drafts(10)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(10, only("t")).await;
    let details = Note::Details(serde_json::json!({ "at": 3 }));
    worker.note(claimed[3].token(), details).await.unwrap();
    worker.settle_all(successes(&claimed[3..4])).await;
    let again = Note::Details(serde_json::json!({ "at": 4 }));
    let refused = worker.note(claimed[3].token(), again).await;
    assert_eq!(kind(refused), Kind::LeaseLost);
    let record = h.record(claimed[3].id).await;
    assert_eq!(record.details, Some(serde_json::json!({ "at": 3 })));
}

pub async fn what_is_left_of_a_batch_returns_from_a_dead_worker(h: &Harness) {
    let sent = h.submit(drafts(50)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(50, only("t")).await;
    worker.settle_all(successes(&claimed[10..15])).await;
    worker.beat(&[claimed[20].token()]).unwrap();
    h.advance(limits::LEASE);
    let mut returned = 0;
    while returned < 45 {
        let rescued = h.store.rescue(7).await.unwrap();
        assert!((1..=7).contains(&rescued.returned), "{rescued:?}");
        returned += rescued.returned;
    }
    assert_eq!(h.store.rescue(7).await.unwrap().returned, 0);
    let other = h.worker().await;
    let mut again = ids(&other.claim(100, only("t")).await);
    again.sort_unstable();
    let mut expected = [&sent[..10], &sent[15..]].concat();
    expected.sort_unstable();
    assert_eq!(again, expected);
    assert_eq!(h.record(sent[20]).await.message.counters.losses, 1);
}

pub async fn a_worker_that_leaves_gives_a_batch_back(h: &Harness) {
    let sent = h.submit(drafts(50)).await;
    let worker = h.worker().await;
    worker.claim(45, only("t")).await;
    h.store.leave(worker.incarnation).await.unwrap();
    let other = h.worker().await;
    let mut again = ids(&other.claim(100, only("t")).await);
    again.sort_unstable();
    let mut sent = sent;
    sent.sort_unstable();
    assert_eq!(again, sent);
}

pub async fn a_batch_goes_when_its_retention_has_ended(h: &Harness) {
    let sent = h.submit(drafts(40)).await;
    let worker = h.worker().await;
    let claimed = worker.claim(40, only("t")).await;
    settle_keeping(h, &worker, &claimed[..10], SECOND).await;
    settle_keeping(h, &worker, &claimed[10..20], Duration::ZERO).await;
    settle_keeping(h, &worker, &claimed[20..], SECOND * 60).await;
    let kept = |those: std::ops::Range<usize>| {
        let state = |at| those.contains(&at).then_some(State::Succeeded);
        (0..40).map(state).collect::<Vec<_>>()
    };
    h.advance(SECOND * 2);
    while h.store.prune(3).await.unwrap().more {}
    assert_eq!(states(h, &sent).await, kept(20..40));
    let answers = h.store.remove(sent[20..30].to_vec()).await.unwrap();
    assert_eq!(kinds(answers), vec![None; 10]);
    h.advance(SECOND * 60);
    while h.store.prune(3).await.unwrap().more {}
    assert_eq!(states(h, &sent).await, vec![None; 40]);
    assert_eq!(listed(h, Section::All, 500).await, []);
}

async fn settle_keeping(h: &Harness, worker: &Worker, messages: &[Message], kept: Duration) {
    h.store.set_retention(Retention {
        succeeded: kept,
        ..Retention::default()
    });
    let settled = worker.settle_all(successes(messages)).await;
    assert_eq!(kinds(settled.items), vec![None; messages.len()]);
}

pub async fn an_audit_looks_at_every_message_of_a_batch(h: &Harness) {
    h.submit(drafts(40)).await;
    h.submit_one(draft("u")).await;
    let worker = h.worker().await;
    worker.claim(20, only("t")).await;
    for max in [3, 500] {
        let (mut scanned, mut after) = (0, None);
        loop {
            let audit = h.store.audit(after, max).await.unwrap();
            assert!(audit.scanned <= max);
            assert_eq!(audit.mended, []);
            scanned += audit.scanned;
            after = audit.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(scanned, 41);
    }
}
