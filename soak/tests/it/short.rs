//! The short form of the soak itself.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser as _;
use towpath_soak::observer::{Observer, soak};
use towpath_soak::options::Arguments;
use towpath_soak::process::Part;
use towpath_soak::progress::Progress;
use towpath_soak::report::Report;
use towpath_soak::verify::Fault;

/// The program whose processes are killed.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_towpath-soak");

/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(60);

/// Fails with the whole report when something is not 0 that must be.
pub(crate) fn assert_good(report: &Report) {
    assert!(report.is_good(), "{report}");
    assert_eq!(
        report.messages.accepted,
        report.messages.succeeded + report.messages.dead_lost
    );
}

#[test]
fn a_short_soak_loses_nothing_and_explains_every_second_run() {
    let report = short_soak(&[]);
    assert!(report.storage.is_some(), "{report}");
}

#[test]
fn a_short_soak_on_redis_loses_nothing_and_explains_every_second_run() {
    if towpath_servers::given(towpath_servers::REDIS_URL).is_some() {
        short_soak(&["--store=redis"]);
    }
}

#[test]
fn a_short_soak_on_postgres_loses_nothing_and_explains_every_second_run() {
    if towpath_servers::given(towpath_servers::POSTGRES_URL).is_some() {
        short_soak(&["--store=postgres"]);
    }
}

fn short_soak(more: &[&str]) -> Report {
    let arguments = [
        "soak",
        "--minutes=0.2",
        "--rate=400",
        "--kill-every=700ms",
        "--freeze-every=6s",
        "--lease=3s",
    ];
    let plan = Arguments::parse_from(arguments.iter().chain(more)).plan;
    let report = soak(Path::new(PROGRAM), &plan, Progress::silent()).unwrap();
    assert_good(&report);
    // It was a real one.
    let (counts, messages) = (&report.counts, &report.messages);
    assert!(messages.accepted > 500, "{report}");
    assert!(
        counts.producers_killed + counts.workers_killed > 3,
        "{report}"
    );
    assert!(counts.freezes > 0, "{report}");
    assert!(
        messages.again_asked > 0 && messages.again_killed > 0,
        "{report}"
    );
    let times = &report.times;
    assert!(
        times.recovery.count + times.recovery_frozen.count > 0,
        "{report}"
    );
    assert!(report.times.start.count > 500, "{report}");
    assert_eq!(report.must_be_zero.len(), Fault::ALL.len());
    report
}

#[test]
fn a_store_that_others_cannot_reach_is_refused() {
    let plan = Arguments::parse_from(["soak", "--store=memory:"]).plan;
    let refused = Observer::start(Path::new(PROGRAM), &plan).map(drop);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("memory: cannot be reached"),
        "{refused}"
    );
}

#[test]
fn a_killed_workers_messages_run_elsewhere() {
    let plan = Arguments::parse_from(["soak", "--rate=300", "--lease=60s"]).plan;
    let mut observer = Observer::start(Path::new(PROGRAM), &plan).unwrap();
    // Workers die while they run something: each has written that it began. With leases of a minute
    // nothing but their deaths brings their messages back. After the third the next loss would cost
    // a message a backoff.
    for _ in 0..3 {
        let workers = observer.alive(Some(Part::Worker));
        let until = Instant::now() + SOON;
        while !workers.iter().all(|worker| observer.has_written(*worker)) {
            assert!(Instant::now() < until, "a worker does not begin anything");
            observer.look_after().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        for worker in workers {
            observer.kill(worker).unwrap();
        }
    }
    // Half a lease: had anything waited for its end, the drain would not have come to its own.
    observer.wind_down(SOON / 2, SOON).unwrap();
    let report = observer.verify().unwrap();
    assert_good(&report);
    assert!(report.messages.again_killed > 0, "{report}");
    assert!(report.times.recovery.count > 0, "{report}");
}
