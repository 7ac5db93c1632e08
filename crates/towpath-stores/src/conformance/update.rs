//! Update: changes messages that wait, and none that do not.

use std::time::Duration;

use towpath_core::message::Start;
use towpath_core::store::Update;
use towpath_core::{Kind, MessageId, Payload, Result, State};

use super::Harness;
use super::words::{after, draft, drafts, ids, kinds, only, retry, with_priority};

const MINUTE: Duration = Duration::from_secs(60);

async fn update(h: &Harness, id: MessageId, update: Update) -> Result<()> {
    h.store.update(vec![(id, update)]).await.unwrap().remove(0)
}

fn priority(priority: u32) -> Update {
    Update {
        priority: Some(priority),
        ..Update::default()
    }
}

fn start(start: Start) -> Update {
    Update {
        start: Some(start),
        ..Update::default()
    }
}

pub async fn another_priority_moves_a_message_in_its_line(h: &Harness) {
    let sent = h.submit((0..3).map(|_| with_priority(draft("t"), 5))).await;
    update(h, sent[2], priority(1)).await.unwrap();
    update(h, sent[0], priority(9)).await.unwrap();
    assert_eq!(h.record(sent[2]).await.priority, 1);
    let worker = h.worker().await;
    let claimed = worker.claim(9, only("t")).await;
    assert_eq!(ids(&claimed), [sent[2], sent[1], sent[0]]);
    assert_eq!(claimed[0].priority, 1);
}

pub async fn another_priority_keeps_the_place_among_equals(h: &Harness) {
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(h.submit_one(draft("t")).await);
        h.advance(Duration::from_secs(1));
    }
    update(h, sent[0], priority(3)).await.unwrap();
    update(h, sent[0], priority(0)).await.unwrap();
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(9, only("t")).await), sent);
}

pub async fn a_priority_given_while_scheduled_counts_once_ready(h: &Harness) {
    let sent = h
        .submit((0..2).map(|_| after(with_priority(draft("t"), 5), MINUTE)))
        .await;
    update(h, sent[1], priority(0)).await.unwrap();
    h.advance(MINUTE);
    h.store.promote(10).await.unwrap();
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(9, only("t")).await), [sent[1], sent[0]]);
}

pub async fn a_later_time_takes_a_message_out_of_its_line(h: &Harness) {
    let sent = h.submit(drafts(2)).await;
    update(h, sent[0], start(Start::After(MINUTE)))
        .await
        .unwrap();
    let record = h.record(sent[0]).await;
    assert_eq!(
        (record.state, record.due_at),
        (State::Scheduled, h.now().after(MINUTE))
    );
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(9, only("t")).await), [sent[1]]);
    assert_eq!(
        h.store.promote(10).await.unwrap().next_due,
        Some(record.due_at)
    );
}

pub async fn an_earlier_time_makes_a_message_ready(h: &Harness) {
    let sent = h.submit((0..2).map(|_| after(draft("t"), MINUTE))).await;
    update(h, sent[1], start(Start::Now)).await.unwrap();
    assert_eq!(h.state(sent[1]).await, State::Ready);
    let sooner = h.now().after(Duration::from_secs(5));
    update(h, sent[0], start(Start::At(sooner))).await.unwrap();
    assert_eq!(h.record(sent[0]).await.due_at, sooner);
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(9, only("t")).await), [sent[1]]);
    h.until_ready(sent[0]).await;
    assert_eq!(worker.claim_one().await.id, sent[0]);
}

pub async fn one_that_is_ready_and_may_start_now_keeps_its_place(h: &Harness) {
    let first = h.submit_one(draft("t")).await;
    h.advance(Duration::from_secs(1));
    let second = h.submit_one(draft("t")).await;
    h.advance(Duration::from_secs(1));
    update(h, first, start(Start::Now)).await.unwrap();
    let worker = h.worker().await;
    assert_eq!(ids(&worker.claim(9, only("t")).await), [first, second]);
}

pub async fn payload_and_metadata_are_replaced_and_the_rest_stays(h: &Harness) {
    let mut old = with_priority(draft("t"), 4);
    old.options.metadata.insert("old".into(), 1.into());
    let id = h.submit_one(old.clone()).await;
    let before = h.record(id).await;
    let payload = Payload::json("[\"new\"]");
    let mut metadata = towpath_core::message::Metadata::new();
    metadata.insert("new".into(), 2.into());
    let change = Update {
        payload: Some(payload.clone()),
        metadata: Some(metadata.clone()),
        ..Update::default()
    };
    update(h, id, change).await.unwrap();
    let worker = h.worker().await;
    let message = worker.claim_one().await;
    let mut expected = before.message.draft.clone();
    expected.payload = payload;
    expected.options.metadata = metadata;
    assert_eq!(message.draft, expected);
}

pub async fn the_largest_payload_may_be_replaced_and_replace(h: &Harness) {
    let raw = |byte: u8, len| {
        Payload::new(
            towpath_core::CodecName::new("raw").unwrap(),
            vec![byte; len],
        )
    };
    let sizes = [
        towpath_core::limits::PAYLOAD_BYTES,
        3,
        towpath_core::limits::PAYLOAD_BYTES,
    ];
    let id = h.submit_one(draft("t")).await;
    for (byte, size) in (1..).zip(sizes) {
        let change = Update {
            payload: Some(raw(byte, size)),
            ..Update::default()
        };
        update(h, id, change).await.unwrap();
        assert_eq!(h.record(id).await.payload, raw(byte, size));
    }
}

pub async fn an_update_changes_no_counter(h: &Harness) {
    let worker = h.worker().await;
    let id = h.submit_one(draft("t")).await;
    let token = worker.claim_one().await.token();
    let verdict = retry(Duration::ZERO);
    worker.settle(token, verdict).await.unwrap();
    let before = h.record(id).await.counters;
    update(h, id, priority(3)).await.unwrap();
    assert_eq!(h.record(id).await.counters, before);
}

pub async fn what_does_not_wait_is_refused(h: &Harness) {
    let worker = h.worker().await;
    for state in [
        State::Running,
        State::Succeeded,
        State::Failed,
        State::Revoked,
    ] {
        let id = h.message_in(state, &worker).await;
        let before = h.record(id).await;
        let change = Update {
            priority: Some(7),
            start: Some(Start::After(MINUTE)),
            metadata: None,
            payload: Some(Payload::json("[\"no\"]")),
        };
        let answers = h.store.update(vec![(id, change)]).await.unwrap();
        assert_eq!(kinds(answers), [Some(Kind::WrongState)], "{state}");
        assert_eq!(h.record(id).await, before);
    }
}

pub async fn each_update_is_answered_in_its_order(h: &Harness) {
    let sent = h.submit(drafts(2)).await;
    let updates = vec![
        (sent[0], priority(1)),
        (MessageId::new(), priority(2)),
        (sent[1], priority(3)),
        (sent[0], priority(4)),
    ];
    let answers = h.store.update(updates).await.unwrap();
    assert_eq!(kinds(answers), [None, Some(Kind::NotFound), None, None]);
    assert_eq!(h.record(sent[0]).await.priority, 4);
    assert_eq!(h.record(sent[1]).await.priority, 3);
}
