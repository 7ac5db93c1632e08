//! Processes that are told to stop: what has not started goes back at once, what runs may finish.

use std::time::Duration;

use rustix::process::Signal;
use towpath::{App, Draft, MessageId, State};

use super::process::{LONG, Process, SOON, store_in, until};
use super::tasks::{Marks, app, harmless, hold, until_told};

/// Submits so many harmless messages of this priority at once.
pub(super) async fn submit_harmless(app: &App, count: u32, priority: u32) -> Vec<MessageId> {
    let draft = |n| -> Draft {
        let mut draft = harmless.draft((n,)).unwrap();
        draft.priority = priority;
        draft
    };
    let drafts = (0..count).map(draft).collect();
    let accepted = app.broker().submit_many(drafts).await.unwrap();
    accepted.into_iter().map(Result::unwrap).collect()
}

/// How many messages the only worker holds.
async fn held(app: &App) -> usize {
    let workers = app.broker().workers().await.unwrap();
    workers.iter().map(|worker| worker.held).sum()
}

#[tokio::test]
async fn sigterm_gives_back_what_has_not_started_and_the_process_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let broker = app.broker();
    // A worker claims as far ahead as it is fast: these many tell it how fast it is.
    submit_harmless(&app, 500, 0).await;
    let running = until_told.submit(&broker, ()).priority(1).await.unwrap();
    let waiting = submit_harmless(&app, 20, 2).await;
    let mut stopping = Process::start("work", &store, LONG);
    stopping.until("holding");
    until("messages held beside the one that runs", async || {
        held(&app).await > 1
    })
    .await;
    let claimed = |record: &towpath::Record| record.counters.claims > 0;
    let records = app.store().get(waiting.clone()).await.unwrap();
    let prefetched = records.iter().flatten().filter(|r| claimed(r)).count();
    assert!(prefetched > 0, "some were prefetched");

    stopping.signal(Signal::TERM);
    until("the return of what was prefetched", async || {
        held(&app).await == 1
    })
    .await;
    let still_running = app.broker().get(running.id()).await.unwrap().unwrap();
    assert_eq!(still_running.state, State::Running, "it was not waited for");
    let records = app.store().get(waiting).await.unwrap();
    assert!(records.iter().flatten().filter(|r| claimed(r)).count() >= prefetched);
    for record in records.into_iter().flatten() {
        assert_eq!(record.state, State::Ready);
        assert_eq!((record.counters.retries, record.counters.losses), (0, 0));
    }

    Marks::beside(&store).set("end");
    stopping.until("stopped");
    assert!(stopping.wait().success());
    let result = running.result(Duration::ZERO).await.unwrap();
    assert_eq!(result, "told", "what ran was let finish");
    let workers = app.broker().workers().await.unwrap();
    assert!(workers.iter().all(|worker| worker.lease_left.is_none()));
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_long_before_its_grace_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = hold.submit(&app.broker(), ()).await.unwrap();
    let mut stopping = Process::start("work", &store, LONG);
    stopping.until("holding");
    // Its grace time is half a minute. Signals that come before the first is seen count as one.
    let ended = async {
        while !stopping.has_ended() {
            stopping.signal(Signal::TERM);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON / 3, ended).await.unwrap();
    let record = app.broker().get(held.id()).await.unwrap().unwrap();
    assert_eq!((record.state, record.counters.retries), (State::Ready, 0));
}
