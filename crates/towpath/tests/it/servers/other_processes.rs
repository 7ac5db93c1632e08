//! Worker processes that are killed and frozen.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use towpath::{State, limits};

use super::{Server, on_every_server};
use crate::kills::locks::exclude_also_the_frozen;
use crate::kills::process::{Process, SOON};
use crate::kills::tasks::{harmless, hold, thaw};

on_every_server!(
    a_killed_workers_message_runs_elsewhere_once_its_lease_has_ended,
    a_frozen_worker_cannot_settle_what_others_have_run,
    a_lock_excludes_processes_also_those_that_are_frozen_and_thawed,
);

async fn a_killed_workers_message_runs_elsewhere_once_its_lease_has_ended(server: Server) {
    let app = server.app();
    let held = hold.submit(&app.broker(), ()).await.unwrap();
    let mut doomed = Process::start_at(
        "work",
        &server.url(),
        limits::LEASE,
        server.directory.path(),
    );
    doomed.until("holding");
    let worker = app.worker().start().await.unwrap();
    doomed.kill();
    let killed = Instant::now();
    assert_eq!(held.result(SOON).await.unwrap(), "claim 2");
    // Told, not asserted: a machine under load is no failure. On an idle one it is within lease + 1 s.
    println!("ran elsewhere {:?} after the kill", killed.elapsed());
    worker.stop().await.unwrap();
}

async fn a_frozen_worker_cannot_settle_what_others_have_run(server: Server) {
    let app = server.app();
    let held = thaw.submit(&app.broker(), ()).await.unwrap();
    let lease = Duration::from_secs(1);
    let mut frozen = Process::start_at("work", &server.url(), lease, server.directory.path());
    frozen.until("holding");
    frozen.freeze();
    let worker = app.worker().start().await.unwrap();
    assert_eq!(held.result(SOON).await.unwrap(), "claim 2");
    frozen.signal(Signal::CONT);
    // It goes on as a fresh incarnation, and still works.
    worker.stop().await.unwrap();
    let next = harmless.submit(&app.broker(), (7,)).await.unwrap();
    assert_eq!(next.result(SOON).await.unwrap(), 7);
    let record = app.broker().get(held.id()).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.counters.claims),
        (State::Succeeded, 2)
    );
    frozen.signal(Signal::TERM);
    assert_eq!(frozen.until_said("lost "), "1");
    frozen.until("stopped");
}

async fn a_lock_excludes_processes_also_those_that_are_frozen_and_thawed(server: Server) {
    exclude_also_the_frozen(&server.url(), server.directory.path()).await;
}
