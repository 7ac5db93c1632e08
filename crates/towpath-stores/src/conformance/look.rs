//! Looking: get, brief, list, counts, queues.

use std::collections::HashSet;
use std::time::Duration;

use towpath_core::message::Record;
use towpath_core::store::{Brief, List, Section, StateCounts, Verdict};
use towpath_core::{MessageId, State, Status, limits};

use super::Harness;
use super::words::{
    after, done, draft, draft_in, drafts, fail, kind, queue, retry, snooze, with_priority,
};

const SECOND: Duration = Duration::from_secs(1);

pub async fn records_stand_in_the_order_asked_for(h: &Harness) {
    let sent = h.submit(drafts(2)).await;
    let asked = vec![sent[1], MessageId::new(), sent[0], sent[1]];
    let records = h.store.get(asked).await.unwrap();
    let found: Vec<_> = records.iter().map(|r| r.as_ref().map(|r| r.id)).collect();
    assert_eq!(found, [Some(sent[1]), None, Some(sent[0]), Some(sent[1])]);
}

pub async fn nothing_asked_for_is_answered_with_nothing(h: &Harness) {
    assert!(h.store.get(Vec::new()).await.unwrap().is_empty());
    assert!(h.store.brief(Vec::new()).await.unwrap().is_empty());
    assert!(h.store.results(Vec::new(), true).await.unwrap().is_empty());
    assert!(h.store.revoke(Vec::new(), false).await.unwrap().is_empty());
    assert!(h.store.remove(Vec::new()).await.unwrap().is_empty());
}

pub async fn a_message_nobody_submitted_is_unknown(h: &Harness) {
    let briefs = h.store.brief(vec![MessageId::new()]).await.unwrap();
    assert_eq!(briefs, [Brief::UNKNOWN]);
}

pub async fn claims_and_status_only_grow_in_one_life(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(after(draft("t"), SECOND)).await;
    let mut seen = vec![brief(h, id).await];
    h.until_ready(id).await;
    seen.push(brief(h, id).await);
    let verdicts = [
        retry(Duration::ZERO),
        Verdict::Release,
        snooze(Duration::ZERO),
        done(),
    ];
    for verdict in verdicts {
        let token = worker.claim_one().await.token();
        seen.push(brief(h, id).await);
        worker.settle(token, verdict).await.unwrap();
        seen.push(brief(h, id).await);
    }
    let order: Vec<_> = seen
        .iter()
        .map(|brief| (brief.claims, brief.status))
        .collect();
    assert!(order.is_sorted(), "{order:?}");
    let statuses: Vec<_> = order.iter().map(|(_, status)| *status).collect();
    use Status::{Retrying, Running, Submitted, Succeeded};
    let expected = [
        Submitted, Submitted, Running, Retrying, Running, Retrying, Running, Retrying, Running,
        Succeeded,
    ];
    assert_eq!(statuses, expected);
}

async fn brief(h: &Harness, id: MessageId) -> Brief {
    h.store.brief(vec![id]).await.unwrap()[0]
}

pub async fn a_brief_says_what_the_record_says(h: &Harness) {
    let worker = h.worker().await;
    for state in State::ALL {
        let id = h.message_in(state, &worker).await;
        let record = h.record(id).await;
        let brief = brief(h, id).await;
        assert_eq!(
            (brief.status, brief.claims),
            (record.status(), record.counters.claims)
        );
        if state == State::Ready {
            h.store.remove(vec![id]).await.unwrap();
        }
    }
}

pub async fn a_record_says_when_it_was_moved(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let submitted_at = h.now();
    h.advance(SECOND);
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    assert_eq!(h.record(id).await.updated_at, h.now());
    h.advance(SECOND);
    worker.settle(token, fail()).await.unwrap();
    let record = h.record(id).await;
    assert_eq!(
        (record.updated_at, record.finished_at),
        (h.now(), Some(h.now()))
    );
    assert_eq!(record.submitted_at, submitted_at);
}

/// All of a section, read in windows of `limit`.
async fn list(h: &Harness, section: Section, limit: usize) -> Vec<Record> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let window = h.store.list(List {
            section,
            after,
            limit,
        });
        let window = window.await.unwrap();
        assert!(window.records.len() <= limit && window.scanned >= window.records.len());
        records.extend(window.records);
        after = window.next;
        if after.is_none() {
            return records;
        }
        assert!(records.len() < 1_000, "the list never ends");
    }
}

async fn listed(h: &Harness, section: Section) -> Vec<MessageId> {
    let whole: Vec<MessageId> = list(h, section, 500).await.iter().map(|r| r.id).collect();
    for limit in [1, 2, 3] {
        let windows = list(h, section, limit).await;
        let windows: Vec<MessageId> = windows.iter().map(|record| record.id).collect();
        assert_eq!(windows, whole, "{section:?} in windows of {limit}");
    }
    whole
}

fn reversed(mut ids: Vec<MessageId>) -> Vec<MessageId> {
    ids.reverse();
    ids
}

pub async fn all_messages_are_listed_the_newest_first_where_order_is_kept(h: &Harness) {
    let worker = h.worker().await;
    let mut sent = Vec::new();
    for state in [
        State::Revoked,
        State::Running,
        State::Scheduled,
        State::Succeeded,
        State::Failed,
        State::Ready,
    ] {
        sent.push(h.message_in(state, &worker).await);
    }
    let mut listed = listed(h, Section::All).await;
    let mut expected = reversed(sent);
    if !h.store.capabilities().ordered {
        listed.sort_unstable();
        expected.sort_unstable();
    }
    assert_eq!(listed, expected);
}

pub async fn ready_messages_are_listed_line_by_line_in_their_order(h: &Harness) {
    let lines = [("q", "a"), ("q", "b"), ("r", "a")];
    let mut expected = Vec::new();
    for (queue, task) in lines {
        let drafts = [2, 0, 1].map(|p| with_priority(draft_in(queue, task), p));
        let sent = h.submit(drafts).await;
        expected.push(vec![sent[1], sent[2], sent[0]]);
    }
    let listed = listed(h, Section::Ready).await;
    // Which line comes first is the store's affair.
    let mut lines: Vec<Vec<MessageId>> = listed.chunks(3).map(<[_]>::to_vec).collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

pub async fn scheduled_messages_are_listed_the_soonest_first(h: &Harness) {
    let sent = h
        .submit([3, 1, 4, 2].map(|s| after(draft("t"), SECOND * s)))
        .await;
    let expected = [sent[1], sent[3], sent[0], sent[2]];
    assert_eq!(listed(h, Section::Scheduled).await, expected);
}

pub async fn running_messages_are_listed_with_their_worker(h: &Harness) {
    let workers = [h.worker().await, h.worker().await];
    let mut held = HashSet::new();
    for turn in 0..5 {
        h.submit_one(draft("t")).await;
        held.insert(workers[turn % 2].claim_one().await.id);
    }
    let listed = listed(h, Section::Running).await;
    assert_eq!(listed.len(), 5);
    assert_eq!(listed.into_iter().collect::<HashSet<_>>(), held);
    for record in list(h, Section::Running, 500).await {
        assert_eq!(record.worker.as_deref(), Some("host:7"));
    }
}

pub async fn finished_messages_are_listed_the_last_to_go_first(h: &Harness) {
    let worker = h.worker().await;
    let (mut succeeded, mut dead) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        succeeded.push(h.message_in(State::Succeeded, &worker).await);
        h.advance(SECOND);
        for state in [State::Failed, State::Revoked] {
            dead.push(h.message_in(state, &worker).await);
            h.advance(SECOND);
        }
    }
    assert_eq!(listed(h, Section::Succeeded).await, reversed(succeeded));
    assert_eq!(listed(h, Section::Dead).await, reversed(dead));
}

pub async fn an_empty_section_is_an_empty_list(h: &Harness) {
    for section in [
        Section::All,
        Section::Ready,
        Section::Scheduled,
        Section::Running,
        Section::Succeeded,
        Section::Dead,
    ] {
        assert!(listed(h, section).await.is_empty(), "{section:?}");
    }
}

pub async fn a_window_has_at_most_500_rows(h: &Harness) {
    h.submit(drafts(limits::WINDOW + 1)).await;
    for section in [Section::All, Section::Ready] {
        let window = h.store.list(List {
            section,
            after: None,
            limit: usize::MAX,
        });
        let window = window.await.unwrap();
        assert_eq!(window.records.len(), limits::WINDOW);
        assert!(window.next.is_some());
    }
}

pub async fn a_list_goes_on_although_its_last_row_is_gone(h: &Harness) {
    let sent = h.submit(drafts(4)).await;
    for (section, expected) in [(Section::All, [2, 1]), (Section::Ready, [1, 2])] {
        if section == Section::All && !h.store.capabilities().ordered {
            continue;
        }
        let first = List {
            section,
            after: None,
            limit: 1,
        };
        let window = h.store.list(first).await.unwrap();
        let last = window.records[0].id;
        h.store.remove(vec![last]).await.unwrap();
        let second = List {
            section,
            after: window.next,
            limit: 10,
        };
        let window = h.store.list(second).await.unwrap();
        let found: Vec<MessageId> = window.records.iter().map(|r| r.id).collect();
        let expected = expected.map(|index| sent[index]);
        assert!(found.windows(2).any(|pair| pair == expected), "{section:?}");
        assert!(!found.contains(&last));
    }
}

pub async fn a_cursor_of_another_list_is_refused(h: &Harness) {
    h.submit(drafts(3)).await;
    let nonsense = towpath_core::store::Cursor(vec![1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let list = List {
        section: Section::All,
        after: Some(nonsense),
        limit: 10,
    };
    let answer = h.store.list(list).await;
    assert_eq!(kind(answer), towpath_core::Kind::Invalid);
}

pub async fn counts_are_the_sum_of_the_records(h: &Harness) {
    let worker = h.worker().await;
    let mut lives = vec![State::Revoked; 6];
    lives.extend(vec![State::Failed; 5]);
    lives.extend(vec![State::Succeeded; 4]);
    lives.extend(vec![State::Running; 3]);
    lives.extend(vec![State::Scheduled; 2]);
    for state in lives {
        h.message_in(state, &worker).await;
    }
    h.submit(drafts(1)).await;
    let expected = StateCounts {
        scheduled: 2,
        ready: 1,
        running: 3,
        succeeded: 4,
        failed: 5,
        revoked: 6,
    };
    assert_eq!(h.counts().await, expected);
    let dead = list(h, Section::Dead, 500).await;
    let again: Vec<MessageId> = dead.iter().take(3).map(|record| record.id).collect();
    h.store.requeue(again).await.unwrap();
    let all = list(h, Section::All, 500).await;
    let count = |state| all.iter().filter(|record| record.state == state).count() as u64;
    let counts = h.counts().await;
    let summed = StateCounts {
        scheduled: count(State::Scheduled),
        ready: count(State::Ready),
        running: count(State::Running),
        succeeded: count(State::Succeeded),
        failed: count(State::Failed),
        revoked: count(State::Revoked),
    };
    assert_eq!(counts, summed);
    assert_eq!(counts.ready, 4);
}

pub async fn an_empty_store_counts_nothing(h: &Harness) {
    assert_eq!(h.counts().await, StateCounts::default());
    assert!(h.queues().await.is_empty());
}

pub async fn queues_are_told_with_their_lines(h: &Harness) {
    let since = h.now();
    h.submit(
        [("b", "t", 5), ("b", "s", 0), ("a", "t", 0)]
            .map(|(q, t, p)| with_priority(draft_in(q, t), p)),
    )
    .await;
    h.advance(SECOND);
    h.submit([("b", "t", 1), ("b", "t", 1)].map(|(q, t, p)| with_priority(draft_in(q, t), p)))
        .await;
    let head = h.now();
    let queues = h.queues().await;
    let names: HashSet<&str> = queues.iter().map(|record| record.queue.as_str()).collect();
    assert_eq!(names, HashSet::from(["a", "b"]));
    let b = queues
        .iter()
        .find(|record| record.queue == queue("b"))
        .unwrap();
    assert!(!b.paused);
    let mut lines: Vec<_> = b
        .lines
        .iter()
        .map(|line| (line.task.as_str(), line.ready, line.head_ready_at))
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [("s", 1, Some(since)), ("t", 3, Some(head))]);
}

pub async fn every_handle_sees_the_same(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let other = h.another();
    let theirs = other.get(vec![id]).await.unwrap().remove(0);
    assert_eq!(theirs, Some(h.record(id).await));
    other.remove(vec![id]).await.unwrap();
    assert_eq!(h.find(id).await, None);
}
