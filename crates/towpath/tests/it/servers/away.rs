//! A server that is away for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use towpath::{MessageId, State, Status};

use super::{Server, on_every_server};
use crate::kills::process::{LONG, Process, SOON, slow_tests, until};
use crate::kills::tasks::{Marks, harmless, until_told};

on_every_server!(
    a_server_that_is_away_ends_no_worker_spins_no_core_and_loses_nothing,
    an_end_that_could_not_be_told_is_told_when_the_server_is_back,
);

/// How long a process has computed.
fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name, which may contain anything: utime and stime are the 14th and 15th field.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = [fields[11], fields[12]]
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .iter()
        .sum();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

/// Killed under load, and away for some seconds; with `TOWPATH_SLOW_TESTS=1` for 45.
async fn a_server_that_is_away_ends_no_worker_spins_no_core_and_loses_nothing(mut server: Server) {
    let away = Duration::from_secs(if slow_tests() { 45 } else { 4 });
    let app = server.app();
    let mut worker = Process::start_at("work", &server.url(), LONG, server.directory.path());
    worker.until("started");
    let patient = app.broker().with_patience(SOON + away);
    let over = Arc::new(AtomicBool::new(false));
    let producer = tokio::spawn({
        let over = over.clone();
        async move {
            let mut accepted: Vec<MessageId> = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let n = u32::try_from(accepted.len()).unwrap();
                accepted.push(harmless.submit(&patient, (n,)).await.unwrap().id());
            }
            accepted
        }
    });
    until("the worker works", async || {
        app.broker().counts().await.unwrap().succeeded > 0
    })
    .await;

    server.kill();
    let (cpu, began) = (cpu_of(worker.pid()), Instant::now());
    // Who is not patient is told that trying again may help, and within a bound.
    let told = tokio::time::timeout(SOON, harmless.submit(&app.broker(), (0,)).into_future()).await;
    let error = told.expect("a submit ends").unwrap_err();
    assert!(error.is_transient(), "{error}");
    tokio::time::sleep(away.saturating_sub(began.elapsed())).await;
    let (cpu, away) = (cpu_of(worker.pid()) - cpu, began.elapsed());
    println!("the worker computed for {cpu:?} while its server was away for {away:?}");
    assert!(cpu < away / 4, "{cpu:?} of {away:?}");
    server.start_again();

    until("the worker works again", async || {
        let told = harmless.submit(&app.broker(), (1,)).await;
        match told {
            Ok(submitted) => submitted.result(SOON).await.is_ok(),
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                false
            }
        }
    })
    .await;
    over.store(true, Ordering::SeqCst);
    let accepted = producer.await.unwrap();
    let app = server.app();
    for ids in accepted.chunks(500) {
        for id in ids {
            let status = app
                .broker()
                .statuses()
                .wait_for(*id, &[Status::Succeeded], SOON)
                .await;
            assert_eq!(status.unwrap(), Status::Succeeded);
        }
    }
    println!("{} messages were accepted, and succeeded", accepted.len());
    assert!(!worker.has_ended());
    worker.signal(Signal::TERM);
    worker.until("stopped");
}

/// The handler ends while the server is away; its worker keeps the end for as long as its lease holds.
async fn an_end_that_could_not_be_told_is_told_when_the_server_is_back(mut server: Server) {
    let app = server.app();
    let worker = app.worker().lease(LONG, LONG / 8).start().await.unwrap();
    let told = until_told.submit(&app.broker(), ()).await.unwrap();
    let status = app
        .broker()
        .statuses()
        .wait_for(told.id(), &[Status::Running], SOON)
        .await;
    assert_eq!(status.unwrap(), Status::Running);
    server.kill();
    Marks::of(server.directory.path()).set("end");
    let metrics = app.metrics();
    until("the worker tried to tell", async || {
        metrics.snapshot().errors > 0
    })
    .await;
    server.start_again();
    assert_eq!(told.result(SOON).await.unwrap(), "told");
    let record = app.broker().get(told.id()).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.counters.claims),
        (State::Succeeded, 1)
    );
    worker.stop().await.unwrap();
}
