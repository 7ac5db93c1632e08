//! The store's own clocks, with no test's clock handed in.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::Rescued;
use towpath_core::{Clock, Store, SystemClock, limits};
use towpath_stores::conformance::Worker;

use super::place::{beside, given, open};

/// What the wall clock has done, as the lease clock sees it, whose last look was this much earlier or later.
async fn jump(beside: &tokio_postgres::Client, by: Duration, forward: bool) {
    let millis = i64::try_from(by.as_millis()).unwrap();
    let sql = "UPDATE lease_clock SET read_at = read_at + $1";
    let moved = beside
        .execute(sql, &[&if forward { -millis } else { millis }])
        .await;
    assert_eq!(moved.unwrap(), 1);
}

async fn lease_left(store: &dyn Store) -> Duration {
    store.workers().await.unwrap()[0].lease_left.unwrap()
}

#[tokio::test]
async fn no_jump_of_the_servers_clock_ends_or_prolongs_a_lease() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    /// What the lease clock has not written yet is lost to it when the wall clock is set back.
    const UNWRITTEN: Duration = Duration::from_millis(500);
    let Some(url) = given() else { return };
    let store = open(&url);
    // The clock stands still while nobody looks: this is the first look.
    store.rescue(10).await.unwrap();
    let worker = Worker::join(store.clone()).await;
    let beside = beside(&url).await;
    let before = lease_left(&*store).await;
    assert!(before <= limits::LEASE);

    jump(&beside, HOUR, false).await;
    assert_eq!(store.rescue(10).await.unwrap(), Rescued::default());
    let after = lease_left(&*store).await;
    assert!(after <= limits::LEASE + UNWRITTEN, "{after:?}");

    jump(&beside, HOUR, true).await;
    assert_eq!(store.rescue(10).await.unwrap(), Rescued::default());
    worker.beat(&[]).unwrap();
    let after = lease_left(&*store).await;
    assert!(after <= limits::LEASE + UNWRITTEN, "{after:?}");

    // A dead worker is found although each look counts for five seconds at most.
    let mut found = 0;
    for _ in 0..3 {
        jump(&beside, HOUR, true).await;
        found += store.rescue(10).await.unwrap().workers;
    }
    assert_eq!(found, 1);
}

#[tokio::test]
async fn the_servers_clock_is_told() {
    let Some(url) = given() else { return };
    // Of one machine: the server was started by the test command.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let before = clock.now();
    let told = open(&url).now().await.unwrap();
    assert!((before..=clock.now()).contains(&told));
}
