//! Disorder: a file whose rows do not stand in the order of their keys is refused by name. The engine does
//! not notice, and whoever goes on after the last row that he read would go in circles.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use towpath_core::message::Start;
use towpath_core::store::{List, Retention, Section};
use towpath_core::{Error, Kind, Store};
use towpath_stores::conformance::Worker;

use super::place::{Place, draft, every_t, submit};

const MESSAGES: usize = 6;
/// More than any list or audit of so few messages has.
const WINDOWS_MAX: usize = 100;

/// A store whose `table` was brought out of order by `edit`, after its messages were brought to `section`.
async fn disordered(
    place: &Place,
    section: Section,
    table: &str,
    edit: impl Fn(&mut [[u8; 2]]),
) -> Arc<dyn Store> {
    let store = place.store();
    match section {
        Section::Scheduled => {
            let drafts = (1..=MESSAGES).map(|at| {
                let mut draft = draft("t");
                draft.start = Start::After(Duration::from_secs(at as u64));
                draft
            });
            for answer in store.submit(drafts.collect()).await.unwrap() {
                answer.unwrap();
            }
        }
        _ => {
            let ids = submit(&*store, MESSAGES).await;
            if section == Section::Running {
                let worker = Worker::join(store.clone()).await;
                assert_eq!(worker.claim(MESSAGES, every_t()).await.len(), MESSAGES);
            } else if section == Section::Dead {
                for id in ids {
                    store.revoke(vec![id], false).await.unwrap();
                    place.clock.advance(Duration::from_millis(1));
                }
            }
        }
    }
    store.close().await.unwrap();
    disorder(place, table, edit);
    place.store()
}

/// Edits the places of the rows in the one page of a table, as the file format has them: after a head of
/// 8 bytes, two bytes for each.
fn disorder(place: &Place, table: &str, edit: impl Fn(&mut [[u8; 2]])) {
    let number = |sql: &str| usize::try_from(place.number(sql)).unwrap();
    let page = number(&format!(
        "SELECT rootpage FROM sqlite_schema WHERE name = '{table}'"
    ));
    let size = number("SELECT page_size FROM pragma_page_size");
    assert_eq!(number(&format!("SELECT COUNT(*) FROM {table}")), MESSAGES);
    let mut file = fs::read(place.path()).unwrap();
    let head = &mut file[(page - 1) * size..];
    assert!([10, 13].contains(&head[0]), "{table} has more than a leaf");
    assert_eq!([0, 6], head[3..5], "the rows of {table} are in it");
    let (places, _) = head[8..8 + 2 * MESSAGES].as_chunks_mut();
    edit(places);
    fs::write(place.path(), file).unwrap();
}

async fn list_all(store: &dyn Store, section: Section, limit: usize) -> Result<(), Error> {
    let mut after = None;
    for _ in 0..WINDOWS_MAX {
        let list = List {
            section,
            after,
            limit,
        };
        after = store.list(list).await?.next;
        if after.is_none() {
            return Ok(());
        }
    }
    panic!("the list of {section:?} in windows of {limit} has no end");
}

fn check(error: &Error, place: &Place, table: &str) {
    assert_eq!(error.kind(), Kind::Storage, "{error}");
    let text = error.to_string();
    let file = place.path().display().to_string();
    let told = format!("the rows of table {table} are out of order");
    for expected in [&*file, "is corrupt", &told, "restore a backup"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_list_over_rows_that_are_out_of_order_ends() {
    for (section, table) in [
        (Section::All, "message"),
        (Section::Ready, "ready"),
        (Section::Scheduled, "delayed"),
        (Section::Running, "inflight"),
        (Section::Dead, "finished"),
    ] {
        let place = Place::new();
        let store = disordered(&place, section, table, <[_]>::reverse).await;
        for limit in [1, 2, MESSAGES] {
            let error = list_all(&*store, section, limit).await.unwrap_err();
            check(&error, &place, table);
        }
        for turn in 1..MESSAGES {
            let place = Place::new();
            let edit = |places: &mut [[u8; 2]]| places.rotate_left(turn);
            let store = disordered(&place, section, table, edit).await;
            for limit in [1, 2, MESSAGES] {
                // Rows that a search does not find are no reason to refuse the others.
                if let Err(error) = list_all(&*store, section, limit).await {
                    check(&error, &place, table);
                }
            }
        }
    }
}

#[tokio::test]
async fn an_audit_over_rows_that_are_out_of_order_ends() {
    for limit in [1, 2, MESSAGES] {
        let place = Place::new();
        let store = disordered(&place, Section::All, "message", <[_]>::reverse).await;
        let error = store.audit(None, limit).await.unwrap_err();
        check(&error, &place, "message");
        assert!(
            !store.doctor().await.unwrap().is_empty(),
            "the doctor sees it"
        );
    }
}

#[tokio::test]
async fn a_line_that_is_out_of_order_is_not_claimed_from() {
    let place = Place::new();
    let store = disordered(&place, Section::Ready, "ready", <[_]>::reverse).await;
    let worker = Worker::join(store).await;
    let error = worker.try_claim(1, every_t()).await.unwrap_err();
    check(&error, &place, "ready");
}

/// A step of upkeep that comes again at once as long as anything is left must not do so for ever.
#[tokio::test]
async fn upkeep_over_rows_that_are_out_of_order_ends() {
    let steps_max = 2 * MESSAGES;
    for turn in 0..MESSAGES {
        let edit = |places: &mut [[u8; 2]]| match turn {
            0 => places.reverse(),
            turn => places.rotate_left(turn),
        };
        let place = Place::new();
        let store = disordered(&place, Section::Scheduled, "delayed", edit).await;
        place.clock.advance(Duration::from_secs(3_600));
        let mut steps = 0;
        loop {
            match store.promote(2).await {
                Ok(promoted) if promoted.moved == 0 => break,
                Ok(_) => steps += 1,
                Err(error) => break check(&error, &place, "delayed"),
            }
            assert!(steps < steps_max, "turned by {turn}: it has no end");
        }

        let place = Place::new();
        let store = disordered(&place, Section::Dead, "finished", edit).await;
        place.clock.advance(Retention::default().dead * 2);
        let mut steps = 0;
        loop {
            match store.prune(2).await {
                Ok(pruned) if !pruned.more => break,
                Ok(_) => steps += 1,
                Err(error) => break check(&error, &place, "finished"),
            }
            assert!(steps < steps_max, "turned by {turn}: it has no end");
        }
    }
}
