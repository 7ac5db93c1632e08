//! Processes that are frozen beyond their lease, and handlers that only look as if they were.

use std::time::Duration;

use rustix::process::Signal;
use towpath::{App, MessageId, State, limits};

use super::process::{Process, SOON, slow_tests, store_in, until};
use super::tasks::{app, block_runtime, harmless, hold, overlap, thaw};

/// The lease of a worker that is to lose it.
const SHORT: Duration = Duration::from_secs(1);

/// Takes the messages of the frozen worker from it once its lease has ended.
async fn take_from_the_frozen(app: &App) {
    until("the end of the frozen worker's lease", async || {
        app.store().rescue(1_000).await.unwrap().workers > 0
    })
    .await;
}

async fn ran_twice_and_succeeded(app: &App, id: MessageId) {
    let record = app.broker().get(id).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.counters.claims),
        (State::Succeeded, 2)
    );
    assert_eq!(app.store().doctor().await.unwrap(), []);
}

/// Has it stop, and answers how many ends of its attempts were refused.
fn refused_ends(worker: &mut Process) -> u64 {
    worker.signal(Signal::TERM);
    let lost = worker.until_said("lost ").parse().unwrap();
    worker.until("stopped");
    lost
}

#[tokio::test]
async fn a_frozen_worker_cannot_settle_what_others_have_run() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = thaw.submit(&app.broker(), ()).await.unwrap();
    let mut frozen = Process::start("work", &store, SHORT);
    frozen.until("holding");
    frozen.freeze();
    let worker = app.worker().start().await.unwrap();
    assert_eq!(held.result(SOON).await.unwrap(), "claim 2");
    frozen.signal(Signal::CONT);
    // It goes on as a fresh incarnation, and still works.
    worker.stop().await.unwrap();
    let next = harmless.submit(&app.broker(), (7,)).await.unwrap();
    assert_eq!(next.result(SOON).await.unwrap(), 7);
    assert_eq!(
        held.result(SOON).await.unwrap(),
        "claim 2",
        "the late settle changed nothing"
    );
    ran_twice_and_succeeded(&app, held.id()).await;
    assert_eq!(
        refused_ends(&mut frozen),
        1,
        "its end came, and was refused"
    );
}

#[tokio::test]
async fn a_thawed_worker_that_claims_the_same_message_again_cannot_settle_its_old_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = overlap.submit(&app.broker(), ()).await.unwrap();
    let mut frozen = Process::start("work", &store, SHORT);
    frozen.until("holding");
    frozen.freeze();
    take_from_the_frozen(&app).await;
    frozen.signal(Signal::CONT);
    // There is nobody else: the same process claims it again, and runs both attempts at once.
    frozen.until("the first ends late");
    let result = held.result(SOON).await.unwrap();
    assert_eq!(result, format!("claim 2 of {}", frozen.pid()));
    ran_twice_and_succeeded(&app, held.id()).await;
    assert_eq!(
        refused_ends(&mut frozen),
        1,
        "its end came, and was refused"
    );
}

#[tokio::test]
async fn a_thawed_consumer_that_holds_the_same_message_again_cannot_acknowledge_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = hold.submit(&app.broker(), ()).await.unwrap();
    let mut frozen = Process::start("consume", &store, SHORT);
    frozen.until("holding");
    frozen.freeze();
    take_from_the_frozen(&app).await;
    frozen.signal(Signal::CONT);
    // The consumer hands its late acknowledgement to the store itself, and tells what that said.
    frozen.until("refused lease_lost");
    frozen.until("stopped");
    assert_eq!(held.result(SOON).await.unwrap(), "the new one");
    ran_twice_and_succeeded(&app, held.id()).await;
}

/// Blocked for several leases; with `TOWPATH_SLOW_TESTS=1` for half a minute under the usual lease.
#[tokio::test]
async fn a_handler_that_blocks_the_runtime_keeps_its_lease() {
    let (blocked_ms, lease) = if slow_tests() {
        (30_000, limits::LEASE)
    } else {
        (2_500, Duration::from_millis(800))
    };
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let blocked = block_runtime
        .submit(&app.broker(), (blocked_ms,))
        .await
        .unwrap();
    let mut busy = Process::start("work", &store, lease);
    busy.until("holding");
    let rival = app.worker().start().await.unwrap();
    assert_eq!(blocked.result(SOON).await.unwrap(), blocked_ms);
    let record = app.broker().get(blocked.id()).await.unwrap().unwrap();
    assert_eq!(record.counters.claims, 1, "nobody else was given it");
    rival.stop().await.unwrap();
    assert_eq!(refused_ends(&mut busy), 0);
}
