//! Processes that are killed: what they had accepted is there, and what they held runs elsewhere.

use std::time::Instant;

use towpath::{MessageId, Status};

use super::process::{LONG, Process, SOON, store_in};
use super::tasks::{app, hold};

#[tokio::test]
async fn no_accepted_message_is_lost_when_its_producer_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let mut accepted: Vec<MessageId> = Vec::new();
    for round in 0..10u64 {
        let mut producer = Process::start("produce", &store, LONG);
        for _ in 0..(1 + round * 7) {
            accepted.push(producer.next().unwrap().parse().unwrap());
        }
        producer.kill();
        // What it said between our last look and its death was accepted too.
        let rest = producer.rest();
        accepted.extend(rest.iter().filter_map(|id| id.parse::<MessageId>().ok()));
    }
    let app = app(&store);
    let found = app.store().get(accepted.clone()).await.unwrap();
    assert!(
        found.iter().all(Option::is_some),
        "some of {} are missing",
        accepted.len()
    );
    let worker = app.worker().start().await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    for brief in app.store().brief(accepted).await.unwrap() {
        assert_eq!(brief.status, Status::Succeeded);
    }
    worker.stop().await.unwrap();
    assert_eq!(app.store().doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_killed_workers_message_runs_elsewhere_long_before_its_lease_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = hold.submit(&app.broker(), ()).await.unwrap();
    let mut doomed = Process::start("work", &store, LONG);
    doomed.until("holding");
    let worker = app.worker().start().await.unwrap();
    doomed.kill();
    let killed = Instant::now();
    // The lease has nearly a minute to go: the worker's death itself was noticed.
    let result = held.result(LONG / 2).await.unwrap();
    // Told, not asserted: a machine under load is no failure. On an idle one it is within a second.
    println!("ran elsewhere {:?} after the kill", killed.elapsed());
    assert_eq!(result, "claim 2");
    worker.stop().await.unwrap();
}
