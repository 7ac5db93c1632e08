//! Lines: the mark of those that have messages, and their order over clocks that are set back.

use towpath_core::{Draft, MessageId};
use towpath_stores::conformance::Worker;

use super::place::{Place, draft, every_t, submit};

fn live(place: &Place) -> i64 {
    place.number("SELECT COUNT(*) FROM line WHERE live = 1")
}

#[tokio::test]
async fn a_line_is_marked_while_it_has_messages_and_no_longer() {
    let place = Place::new();
    let store = place.store();
    let worker = Worker::join(store.clone()).await;
    let ids = submit(&*store, 3).await;
    assert_eq!(live(&place), 1);
    let first = worker.claim(2, every_t()).await.remove(0);
    assert_eq!(live(&place), 1, "one is left");
    store.revoke(vec![ids[2]], false).await.unwrap();
    assert_eq!(live(&place), 0, "the last was revoked");
    worker
        .settle(first.token(), towpath_core::store::Verdict::Release)
        .await
        .unwrap();
    assert_eq!(live(&place), 1, "one came back");
    worker.claim(10, every_t()).await;
    assert_eq!(live(&place), 0, "the last was claimed");
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
    assert_eq!(live(&place), 50);
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
