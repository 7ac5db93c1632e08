//! The wall clock is set by an hour under a worker that has running, waiting and scheduled messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use towpath::{App, Clock, State, Status, Submitted, SystemClock, Timestamp, Worker};

use crate::kills::process::{SOON, store_in, until};
use crate::kills::tasks::{Marks, app, app_on, flaky, harmless, until_told};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// The clocks of this machine, of which the wall clock can be set; the other runs on.
#[derive(Debug, Default)]
struct SteppedClock {
    machine: SystemClock,
    ahead_ms: AtomicI64,
}

impl SteppedClock {
    fn forward(&self, by: Duration) {
        self.ahead_ms.fetch_add(millis(by), Ordering::SeqCst);
    }

    fn back(&self, by: Duration) {
        self.ahead_ms.fetch_sub(millis(by), Ordering::SeqCst);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        let ahead_ms = self.ahead_ms.load(Ordering::SeqCst);
        Timestamp::from_millis(self.machine.now().as_millis() + ahead_ms)
    }

    fn uptime(&self) -> Duration {
        self.machine.uptime()
    }

    fn boot(&self) -> Arc<str> {
        self.machine.boot()
    }
}

/// A worker whose store goes by a clock that is set, and another handle that goes by the right one.
struct Place {
    _directory: TempDir,
    marks: Marks,
    clock: Arc<SteppedClock>,
    right: App,
    app: App,
    worker: Worker,
    /// Runs all the while.
    running: Submitted<String>,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = store_in(&directory);
        let clock = Arc::new(SteppedClock::default());
        let stepped = towpath_stores::open_with(&store.parse().unwrap(), clock.clone()).unwrap();
        let app = app_on(stepped, Marks::beside(&store)).clock(clock.clone());
        let lease = Duration::from_millis(800);
        let worker = app.worker().lease(lease, lease / 4).start().await.unwrap();
        let running = until_told.submit(&app.broker(), ()).await.unwrap();
        let place = Self {
            marks: Marks::beside(&store),
            right: self::app(&store),
            _directory: directory,
            clock,
            app,
            worker,
            running,
        };
        until("an attempt that runs", async || {
            place.status(place.running.id()).await == Status::Running
        })
        .await;
        place
    }

    async fn status(&self, id: towpath::MessageId) -> Status {
        self.right.broker().statuses().get(id).await.unwrap()
    }

    async fn harmless_in(&self, delay: Duration) -> Submitted<u32> {
        let broker = self.right.broker();
        harmless.submit(&broker, (7,)).delay(delay).await.unwrap()
    }

    /// Everything that needs no hour to pass runs: ready messages of both clocks, waits and retries.
    async fn works(&self) {
        for app in [&self.app, &self.right] {
            let ready = harmless.submit(&app.broker(), (1,)).await.unwrap();
            assert_eq!(ready.result(SOON).await.unwrap(), 1);
        }
        let broker = self.app.broker();
        let retried = flaky.submit(&broker, ()).await.unwrap();
        assert_eq!(retried.result(SOON).await.unwrap(), 1);
        let soon = Duration::from_millis(100);
        let delayed = harmless.submit(&broker, (2,)).delay(soon).await.unwrap();
        assert_eq!(delayed.result(SOON).await.unwrap(), 2);
    }

    /// Whoever looks for dead workers finds none, whichever clock he goes by.
    async fn nobody_lost_a_lease(&self) {
        for app in [&self.app, &self.right] {
            assert_eq!(app.store().rescue(1_000).await.unwrap().workers, 0);
        }
        assert_eq!(self.status(self.running.id()).await, Status::Running);
        assert!(self.worker.is_healthy());
    }

    async fn is_scheduled(&self, message: &Submitted<u32>) -> bool {
        let record = self
            .right
            .broker()
            .get(message.id())
            .await
            .unwrap()
            .unwrap();
        record.state == State::Scheduled && record.counters.claims == 0
    }

    async fn ends_well(self) {
        self.marks.set("end");
        assert_eq!(self.running.result(SOON).await.unwrap(), "told");
        let broker = self.right.broker();
        let record = broker.get(self.running.id()).await.unwrap().unwrap();
        assert_eq!(record.counters.claims, 1, "its lease held all the while");
        self.worker.stop().await.unwrap();
        assert_eq!(self.app.metrics().snapshot().lease_lost, 0);
        assert_eq!(self.app.store().doctor().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_wall_clock_that_is_set_forward_by_an_hour_starts_nothing_early_and_ends_no_lease() {
    let place = Place::new().await;
    let due = place.harmless_in(30 * MINUTE).await;
    let early = place.harmless_in(2 * HOUR).await;
    place.works().await;
    place.clock.forward(HOUR);
    assert_eq!(due.result(SOON).await.unwrap(), 7, "its time has come");
    place.works().await;
    place.nobody_lost_a_lease().await;
    assert!(place.is_scheduled(&early).await);
    place.ends_well().await;
}

#[tokio::test]
async fn a_wall_clock_that_is_set_back_by_an_hour_leaves_nothing_stuck_and_prolongs_no_lease() {
    let place = Place::new().await;
    let later = place.harmless_in(30 * MINUTE).await;
    place.works().await;
    place.clock.back(HOUR);
    // What was ready or is to wait shortly from now on does so; what was submitted under the later
    // time stands in front of it and holds nobody up.
    place.works().await;
    place.nobody_lost_a_lease().await;
    assert!(place.is_scheduled(&later).await);
    // The clock is put right, and half an hour passes: it was not forgotten.
    place.clock.forward(HOUR);
    place.works().await;
    assert!(place.is_scheduled(&later).await);
    place.clock.forward(31 * MINUTE);
    assert_eq!(later.result(SOON).await.unwrap(), 7);
    place.ends_well().await;
}
