//! Notes: progress for readers, and state for the next attempt.

use std::time::Duration;

use serde_json::json;
use towpath_core::store::Note;
use towpath_core::{CodecName, Kind, MessageId, Payload, Status, limits};

use super::Harness;
use super::words::{done, draft, kind, retry};

pub async fn details_are_there_for_readers(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    assert_eq!(h.record(id).await.details, None);
    let details = json!({"done": 3, "of": [1, null, "名"]});
    worker
        .note(token, Note::Details(details.clone()))
        .await
        .unwrap();
    assert_eq!(h.record(id).await.details, Some(details));
    worker
        .note(token, Note::Details(json!("other")))
        .await
        .unwrap();
    let record = h.record(id).await;
    assert_eq!(record.details, Some(json!("other")));
    assert_eq!(record.status(), Status::Running);
}

pub async fn each_change_of_details_is_seen(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    let mut last = brief(h, id).await.details;
    for step in 0..3 {
        worker
            .note(token, Note::Details(json!(step)))
            .await
            .unwrap();
        let now = brief(h, id).await.details;
        assert!(now > last, "{now} after {last}");
        last = now;
    }
    worker
        .note(token, Note::Saved(Payload::json("1")))
        .await
        .unwrap();
    worker.settle(token, done()).await.unwrap();
    assert_eq!(brief(h, id).await.details, last);
}

async fn brief(h: &Harness, id: MessageId) -> towpath_core::store::Brief {
    h.store.brief(vec![id]).await.unwrap()[0]
}

pub async fn what_is_saved_reaches_the_next_attempt(h: &Harness) {
    h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let first = worker.claim_one().await;
    assert_eq!(first.saved, None);
    let saved = Payload::new(
        CodecName::new("raw").unwrap(),
        (0..=u8::MAX).collect::<Vec<u8>>(),
    );
    worker
        .note(first.token(), Note::Saved(Payload::json("0")))
        .await
        .unwrap();
    worker
        .note(first.token(), Note::Saved(saved.clone()))
        .await
        .unwrap();
    worker
        .settle(first.token(), retry(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(worker.claim_one().await.saved, Some(saved));
}

pub async fn what_is_saved_outlives_its_worker(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker
        .note(token, Note::Saved(Payload::json("7")))
        .await
        .unwrap();
    h.kill(worker).await;
    assert_eq!(h.record(id).await.saved, Some(Payload::json("7")));
    let heir = h.worker().await;
    assert_eq!(heir.claim_one().await.saved, Some(Payload::json("7")));
}

pub async fn the_largest_notes_are_kept(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    // Two bytes are the quotes.
    let details = json!("x".repeat(limits::SCRATCH_BYTES - 2));
    let saved = Payload::new(
        CodecName::new("raw").unwrap(),
        vec![7; limits::SCRATCH_BYTES],
    );
    worker
        .note(token, Note::Details(details.clone()))
        .await
        .unwrap();
    worker
        .note(token, Note::Saved(saved.clone()))
        .await
        .unwrap();
    let record = h.record(id).await;
    assert_eq!(
        (record.details.as_ref(), &record.saved),
        (Some(&details), &Some(saved))
    );
}

pub async fn a_note_under_a_stale_token_is_refused(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let old = worker.claim_one().await.token();
    worker.settle(old, retry(Duration::ZERO)).await.unwrap();
    let new = worker.claim_one().await.token();
    let before = h.record(id).await;
    for note in [Note::Details(json!(1)), Note::Saved(Payload::json("1"))] {
        assert_eq!(kind(worker.note(old, note).await), Kind::LeaseLost);
    }
    let thief = h.worker().await;
    for note in [Note::Details(json!(1)), Note::Saved(Payload::json("1"))] {
        assert_eq!(kind(thief.note(new, note).await), Kind::LeaseLost);
    }
    assert_eq!(h.record(id).await, before);
}

pub async fn a_note_after_the_end_is_refused(h: &Harness) {
    let id = h.submit_one(draft("t")).await;
    let worker = h.worker().await;
    let token = worker.claim_one().await.token();
    worker
        .note(token, Note::Details(json!("last")))
        .await
        .unwrap();
    worker.settle(token, done()).await.unwrap();
    let late = worker.note(token, Note::Details(json!("late"))).await;
    assert_eq!(kind(late), Kind::LeaseLost);
    assert_eq!(h.record(id).await.details, Some(json!("last")));
}
