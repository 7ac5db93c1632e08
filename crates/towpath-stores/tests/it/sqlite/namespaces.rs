//! Namespaces: applications that share a file see nothing of each other.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::name::Namespace;
use towpath_core::store::{Brief, List, ResultRead, Section, StateCounts};
use towpath_core::{Kind, State, Store, limits};
use towpath_stores::conformance::Worker;

use super::place::{Place, draft, every_t, queue, submit};

fn two(place: &Place) -> (Arc<dyn Store>, Arc<dyn Store>) {
    let other = place.url().with_namespace(Namespace::new("other").unwrap());
    (place.store(), place.store_of(&other))
}

async fn sections(store: &dyn Store) -> Vec<usize> {
    let mut sizes = Vec::new();
    for section in [
        Section::All,
        Section::Ready,
        Section::Scheduled,
        Section::Running,
        Section::Succeeded,
        Section::Dead,
    ] {
        let list = List {
            section,
            after: None,
            limit: 500,
        };
        sizes.push(store.list(list).await.unwrap().records.len());
    }
    sizes
}

#[tokio::test]
async fn nothing_of_one_is_seen_in_the_other() {
    let place = Place::new();
    let (one, two) = two(&place);
    let ids = submit(&*one, 5).await;
    let mut later = draft("t");
    later.start = towpath_core::message::Start::After(Duration::from_secs(60));
    one.submit(vec![later]).await.unwrap();
    let worker = Worker::join(one.clone()).await;
    let token = worker.claim_one().await.token();
    worker.claim_one().await;
    let done = towpath_core::store::Verdict::Done {
        result: towpath_core::store::StoredResult::None,
        callbacks: Vec::new(),
    };
    worker.settle(token, done).await.unwrap();
    one.revoke(vec![ids[4]], false).await.unwrap();
    one.pause(queue("default"), true).await.unwrap();
    assert_eq!(sections(&*one).await, [6, 2, 1, 1, 1, 1]);

    assert_eq!(sections(&*two).await, [0; 6]);
    assert_eq!(two.counts().await.unwrap(), StateCounts::default());
    assert!(two.queues().await.unwrap().is_empty());
    assert!(two.workers().await.unwrap().is_empty());
    assert_eq!(two.get(vec![ids[0]]).await.unwrap(), [None]);
    assert_eq!(two.brief(vec![ids[0]]).await.unwrap(), [Brief::UNKNOWN]);
    let taken = two.results(vec![ids[0]], true).await.unwrap();
    assert_eq!(taken, [ResultRead::Unknown]);
    for answers in [
        two.remove(ids.clone()).await.unwrap(),
        two.requeue(ids.clone()).await.unwrap(),
        two.update(vec![(ids[2], towpath_core::store::Update::default())])
            .await
            .unwrap(),
    ] {
        assert!(
            answers
                .iter()
                .all(|a| a.as_ref().unwrap_err().kind() == Kind::NotFound)
        );
    }
    let revoked = two.revoke(ids.clone(), false).await.unwrap();
    assert_eq!(revoked[2].as_ref().unwrap_err().kind(), Kind::NotFound);
    let stranger = Worker::join(two.clone()).await;
    assert!(stranger.claim(10, every_t()).await.is_empty());
    assert_eq!(
        stranger
            .settle(token, towpath_core::store::Verdict::Release)
            .await
            .unwrap_err()
            .kind(),
        Kind::LeaseLost
    );
    place.clock.advance(limits::KEEP_DEAD * 2);
    assert_eq!(two.prune(100).await.unwrap().removed, 0);
    assert_eq!(two.audit(None, 100).await.unwrap().mended, []);
    assert_eq!(one.counts().await.unwrap().ready, 2);
}

#[tokio::test]
async fn an_incarnation_of_the_other_has_no_lease_here() {
    let place = Place::new();
    let (one, two) = two(&place);
    let worker = Worker::join(one).await;
    let stranger = Worker {
        store: two,
        incarnation: worker.incarnation,
    };
    let refused = stranger.try_claim(1, every_t()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::LeaseLost);
}

#[tokio::test]
async fn whoever_keeps_the_file_in_order_puts_things_where_they_belong() {
    let place = Place::new();
    let (one, two) = two(&place);
    let mut brief = draft("t");
    brief.options.expires_in = Some(Duration::from_secs(5));
    let brief_id = brief.id;
    let held = submit(&*one, 1).await[0];
    let worker = Worker::join(one.clone()).await;
    assert_eq!(worker.claim_one().await.id, held);
    one.submit(vec![brief]).await.unwrap();
    place.clock.advance(Duration::from_secs(60));

    assert_eq!(two.expire(10).await.unwrap(), 1);
    assert_eq!(two.rescue(10).await.unwrap().returned, 1);
    let states = one.get(vec![brief_id, held]).await.unwrap();
    let states: Vec<_> = states
        .into_iter()
        .map(|record| record.unwrap().state)
        .collect();
    assert_eq!(states, [State::Failed, State::Ready]);
    assert_eq!(sections(&*one).await, [2, 1, 0, 0, 0, 1]);
    assert_eq!(sections(&*two).await, [0; 6]);
    assert_eq!(one.doctor().await.unwrap(), []);
}
