//! Workers: how one that is dead is found without waiting for its lease.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::WorkerCard;
use towpath_core::{Clock, IncarnationId, Kind, Timestamp};
use towpath_stores::conformance::Worker;

use super::place::{Place, every_t, queue, submit};

pub(super) fn card(incarnation: IncarnationId) -> WorkerCard {
    WorkerCard {
        incarnation,
        name: "host:7".to_owned(),
        listens: "everything".to_owned(),
        tasks: Vec::new(),
    }
}

#[tokio::test]
async fn whoever_can_take_the_lock_of_a_worker_rescues_at_once() {
    let place = Place::new();
    let (one, two) = (place.store(), place.store());
    submit(&*one, 2).await;
    let worker = Worker::join(one.clone()).await;
    assert_eq!(worker.claim(2, every_t()).await.len(), 2);
    assert_eq!(
        two.rescue(10).await.unwrap(),
        Default::default(),
        "it lives"
    );

    // Its process ends: the lease would last for another ten seconds.
    one.close().await.unwrap();
    let rescued = two.rescue(10).await.unwrap();
    assert_eq!((rescued.workers, rescued.returned), (1, 2));
    assert_eq!(two.counts().await.unwrap().ready, 2);
    // Files are removed after the answer, and before the next batch.
    two.pause(queue("q"), true).await.unwrap();
    let lock = format!("{}.workers/{}", place.path().display(), worker.incarnation);
    assert!(!std::fs::exists(lock).unwrap());
}

#[tokio::test]
async fn a_worker_that_joins_again_lets_go_of_the_lock_of_its_lost_life() {
    let place = Place::new();
    let (one, two) = (place.store(), place.store());
    Worker::join(one.clone()).await;
    place.clock.advance(towpath_core::limits::LEASE);
    // Its process lives, so nobody else can take the lock from it.
    assert_eq!(two.rescue(10).await.unwrap().workers, 1);
    let fresh = Worker::join(one.clone()).await;
    // Files are removed after the answer, and before the next batch.
    one.pause(queue("q"), true).await.unwrap();
    let locks = std::fs::read_dir(format!("{}.workers", place.path().display())).unwrap();
    let locks: Vec<_> = locks.map(|lock| lock.unwrap().file_name()).collect();
    assert_eq!(locks, [fresh.incarnation.to_string().as_str()]);
}

#[tokio::test]
async fn a_large_holding_is_rescued_in_steps_and_fenced_from_the_first() {
    let place = Place::new();
    let (one, two) = (place.store(), place.store());
    submit(&*one, 5).await;
    let worker = Worker::join(one.clone()).await;
    let token = worker.claim(5, every_t()).await.pop().unwrap().token();
    place.clock.advance(towpath_core::limits::LEASE);
    let first = two.rescue(2).await.unwrap();
    assert_eq!((first.workers, first.returned), (1, 2));
    let late = worker
        .settle(token, towpath_core::store::Verdict::Release)
        .await;
    assert_eq!(late.unwrap_err().kind(), Kind::LeaseLost);
    let refused = worker.try_claim(1, every_t()).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::LeaseLost);
    let second = two.rescue(2).await.unwrap();
    assert_eq!((second.workers, second.returned), (0, 2));
    assert_eq!(two.rescue(2).await.unwrap().returned, 1);
    assert_eq!(two.workers().await.unwrap()[0].lease_left, None);
}

/// A clock of another start of the machine.
#[derive(Debug)]
struct Restarted(Arc<dyn Clock>);

impl Clock for Restarted {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    fn uptime(&self) -> Duration {
        Duration::from_secs(1)
    }
    fn boot(&self) -> Arc<str> {
        "another boot".into()
    }
}

#[tokio::test]
async fn a_lease_of_before_a_restart_of_the_machine_is_over() {
    let place = Place::new();
    let one = place.store();
    submit(&*one, 1).await;
    Worker::join(one.clone()).await.claim_one().await;
    let restarted = place.store_at(&place.url(), Arc::new(Restarted(place.clock.clone())));
    assert_eq!(
        restarted.workers().await.unwrap()[0].lease_left,
        Some(Duration::ZERO)
    );
    assert_eq!(restarted.rescue(10).await.unwrap().returned, 1);
}

#[tokio::test]
async fn workers_that_are_gone_are_remembered_up_to_a_thousand() {
    let place = Place::new();
    let store = place.store();
    let mut ids = Vec::new();
    for _ in 0..1_003 {
        let id = IncarnationId::new();
        store.join(card(id), Duration::from_secs(10)).await.unwrap();
        store.leave(id).await.unwrap();
        ids.push(id);
    }
    store
        .join(card(IncarnationId::new()), Duration::from_secs(10))
        .await
        .unwrap();
    let known = store.workers().await.unwrap();
    assert_eq!(known.len(), 1_001);
    assert_eq!(known[0].incarnation, ids[3]);
    let locks = std::fs::read_dir(format!("{}.workers", place.path().display()));
    assert_eq!(locks.unwrap().count(), 1, "those of the gone are removed");
}
