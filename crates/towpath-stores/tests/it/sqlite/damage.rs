//! Damage: what somebody has done to the file by hand stops nobody, hides nothing, and is told.

use towpath_core::store::{List, Section};
use towpath_core::{FailReason, Kind, MessageId, State, Store};
use towpath_stores::conformance::Worker;

use super::place::{Place, every_t, submit};

/// A store with three ready messages, of which the first is edited by hand.
async fn damaged(place: &Place, edit: &str) -> (std::sync::Arc<dyn Store>, Vec<MessageId>) {
    let store = place.store();
    let ids = submit(&*store, 3).await;
    let sql = format!("UPDATE message SET {edit} WHERE id = ?1");
    assert_eq!(place.edit(&sql, [ids[0].as_bytes()]), 1, "{edit}");
    (store, ids)
}

#[tokio::test]
async fn a_damaged_message_becomes_a_dead_letter_and_the_others_run() {
    for (edit, told) in [
        ("options = '{broken'", "column options"),
        ("options = '{\"colour\": 1}'", "column options"),
        ("options = ''", "column blob.data of the Options is missing"),
        (
            "payload = NULL",
            "column blob.data of the Payload is missing",
        ),
        ("claims = -1", "column claims is -1"),
        ("losses = 4294967296", "column losses"),
        ("priority = -5", "column priority is -5"),
        ("codec = ''", "column codec"),
        ("start_after = -9", "column start_after is -9"),
        ("scheduled = 7", "column scheduled is 7"),
    ] {
        let place = Place::new();
        let (store, ids) = damaged(&place, edit).await;
        let worker = Worker::join(store.clone()).await;
        let claimed = worker.claim(10, every_t()).await;
        let claimed: Vec<_> = claimed.iter().map(|message| message.id).collect();
        assert_eq!(claimed, ids[1..], "{edit}");

        let list = List {
            section: Section::Dead,
            after: None,
            limit: 10,
        };
        let dead = store.list(list).await.unwrap();
        assert_eq!(dead.scanned, 1, "{edit}");
        if edit == "payload = NULL" || edit == "codec = ''" {
            // Nothing can be shown that would be true.
            assert!(dead.records.is_empty());
            continue;
        }
        let record = &dead.records[0];
        assert_eq!((record.id, record.state), (ids[0], State::Failed), "{edit}");
        assert_eq!(record.reason, Some(FailReason::Rejected), "{edit}");
        let error = record.error().unwrap().to_string();
        assert!(error.contains(told), "{edit}: {error}");
        assert_eq!(store.doctor().await.unwrap(), [], "{edit}");
    }
}

#[tokio::test]
async fn options_that_cannot_be_read_are_kept_with_the_error() {
    let place = Place::new();
    let (store, ids) = damaged(&place, "options = '{\"callback\": 7}'").await;
    let worker = Worker::join(store.clone()).await;
    worker.claim(10, every_t()).await;
    let record = store.get(vec![ids[0]]).await.unwrap().remove(0).unwrap();
    let kept = record.error().unwrap().traceback.as_deref();
    assert_eq!(kept, Some("options: {\"callback\": 7}"));
}

#[tokio::test]
async fn a_look_at_a_damaged_message_names_it_and_the_column() {
    let place = Place::new();
    let (store, ids) = damaged(&place, "snoozes = -3").await;
    let error = store.get(vec![ids[0]]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    let expected = format!(
        "message {}: the record is damaged: column snoozes is -3",
        ids[0]
    );
    assert_eq!(error.to_string(), expected);
    assert!(store.get(vec![ids[1]]).await.unwrap()[0].is_some());
    let refused = store.revoke(ids.clone(), false).await.unwrap();
    assert_eq!(refused[0].as_ref().unwrap_err().kind(), Kind::Storage);
    assert!(refused[1].is_ok(), "the others of the batch are revoked");
}

#[tokio::test]
async fn places_that_lead_nowhere_are_passed_by() {
    let place = Place::new();
    let store = place.store();
    let ids = submit(&*store, 2).await;
    let l = place.number("SELECT l FROM line");
    place.edit("INSERT INTO ready VALUES (?1, 0, 0, 777)", [l]);
    place.edit(
        "INSERT INTO ready SELECT line, -9, 0, n FROM message WHERE id = ?1",
        [ids[1].as_bytes()],
    );
    let worker = Worker::join(store.clone()).await;
    let claimed = worker.claim(10, every_t()).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(place.number("SELECT COUNT(*) FROM ready"), 0);
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_line_whose_name_is_damaged_hides_no_other() {
    let place = Place::new();
    let store = place.store();
    store
        .submit(vec![super::place::draft("broken")])
        .await
        .unwrap();
    place.edit("UPDATE line SET task = char(10)", []);
    let fresh = place.store();
    let ids = submit(&*fresh, 1).await;
    let worker = Worker::join(fresh).await;
    assert_eq!(worker.claim(10, every_t()).await[0].id, ids[0]);
}

#[tokio::test]
async fn an_audit_mends_what_stands_nowhere_and_the_doctor_sees_it_before() {
    let place = Place::new();
    let store = place.store();
    let ids = submit(&*store, 4).await;
    let worker = Worker::join(store.clone()).await;
    worker.claim(1, every_t()).await;
    store.revoke(vec![ids[1]], false).await.unwrap();
    for table in ["ready", "inflight", "finished"] {
        place.edit(&format!("DELETE FROM {table}"), []);
    }
    place.edit("UPDATE line SET live = 0", []);
    assert_eq!(store.doctor().await.unwrap().len(), 4);

    let mut after = None;
    let mut mended = 0;
    loop {
        let audit = store.audit(after, 3).await.unwrap();
        mended += audit.mended.len();
        after = audit.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(mended, 4);
    assert_eq!(store.doctor().await.unwrap(), []);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.ready, counts.running, counts.revoked), (3, 0, 1));
}

#[tokio::test]
async fn an_end_that_is_damaged_is_told_and_becomes_a_failure() {
    let place = Place::new();
    let store = place.store();
    let ids = submit(&*store, 2).await;
    store.revoke(ids.clone(), false).await.unwrap();
    let outcome = "WHERE n = (SELECT n FROM message WHERE id = ?1)";
    place.edit(
        &format!("UPDATE outcome SET state = 99 {outcome}"),
        [ids[0].as_bytes()],
    );
    let error = store.brief(vec![ids[0]]).await.unwrap_err().to_string();
    assert!(error.ends_with("column outcome.state is 99"), "{error}");
    assert_eq!(store.doctor().await.unwrap().len(), 1);
    assert_eq!(store.audit(None, 10).await.unwrap().mended.len(), 1);
    let records = store.get(ids).await.unwrap();
    let states: Vec<_> = records
        .into_iter()
        .flatten()
        .map(|record| record.state)
        .collect();
    assert_eq!(states, [State::Failed, State::Revoked]);
}

#[tokio::test]
async fn people_may_look_with_any_tool() {
    let place = Place::new();
    let store = place.store();
    let ids = submit(&*store, 3).await;
    store.revoke(vec![ids[0]], false).await.unwrap();
    Worker::join(store.clone()).await.claim_one().await;
    let db = place.raw();
    let mut statement = db
        .prepare("SELECT id, state, claims, payload FROM state")
        .unwrap();
    let rows = statement.query_map([], |row| {
        let (id, state): (String, String) = (row.get(0)?, row.get(1)?);
        let (claims, payload): (i64, String) = (row.get(2)?, row.get(3)?);
        Ok(format!("{id} {state} {claims} {payload}"))
    });
    let said: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    let expected = [
        format!("{} revoked 0 []", ids[0]),
        format!("{} running 1 []", ids[1]),
        format!("{} ready 0 []", ids[2]),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_line_that_lost_its_mark_is_found_again() {
    let place = Place::new();
    let store = place.store();
    submit(&*store, 1).await;
    place.edit("UPDATE line SET live = 0", []);
    let worker = Worker::join(store.clone()).await;
    assert!(worker.claim(1, every_t()).await.is_empty());
    assert_eq!(store.doctor().await.unwrap().len(), 1);
    assert_eq!(store.audit(None, 10).await.unwrap().mended.len(), 1);
    assert_eq!(worker.claim(1, every_t()).await.len(), 1);
}

#[tokio::test]
async fn a_running_message_that_is_damaged_does_not_keep_its_worker_from_being_rescued() {
    let place = Place::new();
    let store = place.store();
    let ids = submit(&*store, 2).await;
    let worker = Worker::join(store.clone()).await;
    worker.claim(10, every_t()).await;
    place.edit(
        "UPDATE message SET retries = -1 WHERE id = ?1",
        [ids[0].as_bytes()],
    );
    place.clock.advance(towpath_core::limits::LEASE);
    let rescued = store.rescue(10).await.unwrap();
    assert_eq!(
        (rescued.given_up, rescued.returned, rescued.workers),
        (1, 1, 1)
    );
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_damaged_worker_hides_no_other() {
    for edit in [
        "UPDATE worker SET id = x'00' WHERE w = 1",
        "UPDATE worker SET tasks = '[7]' WHERE w = 1",
        "UPDATE lease SET boot = CAST(x'ff' AS TEXT) WHERE w = 1",
    ] {
        let place = Place::new();
        let store = place.store();
        Worker::join(store.clone()).await;
        let other = Worker::join(store.clone()).await;
        assert_eq!(place.edit(edit, []), 1, "{edit}");
        let listed = store.workers().await.unwrap();
        let listed: Vec<_> = listed.iter().map(|worker| worker.incarnation).collect();
        assert_eq!(listed, [other.incarnation], "{edit}");
    }
}

#[tokio::test]
async fn a_damaged_worker_keeps_nobody_from_being_rescued() {
    for (edit, over) in [
        ("UPDATE worker SET id = x'00' WHERE w = 1", false),
        ("DELETE FROM worker WHERE w = 1", false),
        (
            "UPDATE lease SET boot = CAST(x'ff' AS TEXT) WHERE w = 1",
            true,
        ),
    ] {
        let place = Place::new();
        let store = place.store();
        submit(&*store, 2).await;
        let workers = [
            Worker::join(store.clone()).await,
            Worker::join(store.clone()).await,
        ];
        for worker in &workers {
            worker.claim_one().await;
        }
        assert_eq!(place.edit(edit, []), 1, "{edit}");
        // What nobody can read is over; else the lease of whoever it was holds until its end.
        let rescued = store.rescue(10).await.unwrap();
        assert_eq!(rescued.workers, usize::from(over), "{edit}");
        place.clock.advance(towpath_core::limits::LEASE);
        let later = store.rescue(10).await.unwrap();
        assert_eq!(rescued.workers + later.workers, 2, "{edit}");
        assert_eq!(rescued.returned + later.returned, 2, "{edit}");
        assert_eq!(place.number("SELECT COUNT(*) FROM lease"), 0, "{edit}");
        assert_eq!(store.doctor().await.unwrap(), [], "{edit}");
    }
}
