//! What one worker process makes of a full store: all of it, in order, and nothing of other queues.

use rustix::process::Signal;
use towpath::{App, State, Status};

use super::process::{LONG, Process, SOON, store_in, until};
use super::signals::submit_harmless;
use super::tasks::{app, tell};

/// Submits messages that tell when they run: each its priority and its number.
async fn submit_telling(app: &App, queue: &str, priorities: &[u32]) -> Vec<towpath::MessageId> {
    let drafts = priorities.iter().zip(0..).map(|(priority, n)| {
        let mut draft = tell.draft((*priority, n)).unwrap();
        draft.queue = queue.try_into().unwrap();
        draft.priority = *priority;
        draft
    });
    let accepted = app.broker().submit_many(drafts.collect()).await.unwrap();
    accepted.into_iter().map(Result::unwrap).collect()
}

/// The next message that the worker tells of: priority and number.
fn ran(worker: &mut Process) -> (u32, u32) {
    let said = worker.until_said("ran ");
    let (priority, n) = said.split_once(' ').unwrap();
    (priority.parse().unwrap(), n.parse().unwrap())
}

#[tokio::test]
async fn a_thousand_messages_of_mixed_priorities_run_in_exact_order_in_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let mixed: Vec<u32> = (0..1_000).map(|n| n * 7 % 10).collect();
    submit_telling(&app, "q", &mixed).await;
    let mut worker = Process::start("work in order", &store, LONG);
    let order: Vec<_> = (0..1_000).map(|_| ran(&mut worker)).collect();
    assert!(order.is_sorted(), "{:?}", &order[..20]);
}

#[tokio::test]
async fn a_process_that_listens_to_q_never_takes_from_q2() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    // The others would come first in every order there is.
    let others = submit_telling(&app, "q2", &[0; 50]).await;
    let own = submit_telling(&app, "q", &[9; 50]).await;
    let mut worker = Process::start("work in order", &store, LONG);
    for n in 0..50 {
        assert_eq!(ran(&mut worker), (9, n));
    }
    let last = *own.last().unwrap();
    until("the end of the last", async || {
        app.broker().statuses().get(last).await.unwrap() == Status::Succeeded
    })
    .await;
    worker.signal(Signal::TERM);
    worker.until("stopped");
    for record in app.store().get(others).await.unwrap().into_iter().flatten() {
        assert_eq!((record.state, record.counters.claims), (State::Ready, 0));
    }
}

#[tokio::test]
async fn a_backlog_ten_times_the_pool_of_another_process_drains_to_the_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let backlog = submit_harmless(&app, 80, 0).await;
    let mut worker = Process::start("work with a pool of eight", &store, LONG);
    let all_succeeded = async {
        for id in &backlog {
            let result: u32 = app.broker().results().get(*id, SOON).await.unwrap();
            assert!(result < 80);
        }
    };
    tokio::time::timeout(SOON, all_succeeded).await.unwrap();
    worker.signal(Signal::TERM);
    worker.until("stopped");
    for record in app
        .store()
        .get(backlog)
        .await
        .unwrap()
        .into_iter()
        .flatten()
    {
        assert_eq!(record.counters.claims, 1, "each ran once");
    }
}
