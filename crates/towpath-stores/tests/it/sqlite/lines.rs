//! Lines: the mark of those that have messages, and their order over clocks that are set back.

use towpath_core::store::{Selection, Verdict};
use towpath_core::{Draft, MessageId, Store, TaskName};
use towpath_stores::conformance::Worker;

use super::place::{Place, draft, every_t, submit};

fn live(place: &Place) -> i64 {
    place.number("SELECT COUNT(*) FROM line WHERE live = 1")
}

/// A message in each of so many lines.
async fn fill(store: &dyn Store, lines: usize) -> Vec<MessageId> {
    let drafts: Vec<Draft> = (0..lines).map(|n| draft(&format!("t {n}"))).collect();
    let ids = drafts.iter().map(|draft| draft.id).collect();
    for accepted in store.submit(drafts).await.unwrap() {
        accepted.unwrap();
    }
    ids
}

fn every_line(lines: usize) -> Selection {
    let name = |n| TaskName::new(format!("t {n}")).unwrap();
    let tasks = (0..lines).map(name).collect();
    Selection::Any { tasks }
}

#[tokio::test]
async fn a_line_that_has_messages_is_marked_and_few_others_are() {
    let place = Place::new();
    let store = place.store();
    let worker = Worker::join(store.clone()).await;
    let ids = fill(&*store, 12).await;
    assert_eq!(live(&place), 12);
    let claimed = worker.claim(11, every_line(12)).await;
    assert_eq!(claimed.len(), 11);
    assert_eq!(live(&place), 9, "one has a message, and eight linger");
    let left = ids
        .iter()
        .find(|id| claimed.iter().all(|message| message.id != **id));
    store.revoke(vec![*left.unwrap()], false).await.unwrap();
    assert_eq!(live(&place), 8, "the last was revoked");

    for message in claimed {
        worker
            .settle(message.token(), Verdict::Release)
            .await
            .unwrap();
    }
    assert_eq!(live(&place), 12, "the one that was revoked still lingers");
    assert_eq!(worker.claim(12, every_line(12)).await.len(), 11);
    assert_eq!(live(&place), 8);
}

#[tokio::test]
async fn the_marks_that_others_left_are_taken_away_by_who_finds_them() {
    let place = Place::new();
    let (one, two) = (place.store(), place.store());
    for (store, lines) in [(&one, 8), (&two, 16)] {
        let worker = Worker::join(store.clone()).await;
        fill(&**store, lines).await;
        // Only the last eight: those of the other are not met.
        let tasks = (lines - 8..lines).map(|n| TaskName::new(format!("t {n}")).unwrap());
        let tasks = tasks.collect();
        let claimed = worker.claim(16, Selection::Any { tasks }).await;
        assert_eq!(claimed.len(), 8);
    }
    assert_eq!(live(&place), 16);
    let worker = Worker::join(two.clone()).await;
    assert_eq!(worker.claim(16, every_line(16)).await.len(), 8);
    assert_eq!(live(&place), 8);
    assert!(worker.claim(16, every_line(16)).await.is_empty());
    assert_eq!(live(&place), 8, "and those stay as they are");
}

#[tokio::test]
async fn lines_of_other_tasks_and_queues_are_not_read() {
    let place = Place::new();
    let store = place.store();
    let mut drafts: Vec<Draft> = (0..2_000)
        .map(|n| draft(&format!("other {}", n % 50)))
        .collect();
    drafts.push(draft("t"));
    store.submit(drafts).await.unwrap();
    let worker = Worker::join(store).await;
    assert_eq!(worker.claim(10, every_t()).await.len(), 1);
    assert_eq!(live(&place), 50 + 1, "the one that was emptied lingers");
}

async fn order(place: &Place) -> Vec<MessageId> {
    let worker = Worker::join(place.store()).await;
    let claimed = worker.claim(100, every_t()).await;
    claimed.iter().map(|message| message.id).collect()
}

#[tokio::test]
async fn a_clock_set_back_lets_nobody_overtake_not_even_in_another_process() {
    let place = Place::new();
    let (one, two) = (place.store(), place.store());
    let mut ids = submit(&*one, 1).await;
    place.clock.step_wall(-3_600_000);
    ids.extend(submit(&*two, 1).await);
    ids.extend(submit(&*one, 1).await);
    let reopened = place.store();
    ids.extend(submit(&*reopened, 1).await);
    assert_eq!(order(&place).await, ids);
}
