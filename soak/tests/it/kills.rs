//! Two hundred kills at random moments, at each durability.

use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use fastrand::Rng;
use towpath_soak::observer::{DRAIN, Observer};
use towpath_soak::options::Arguments;

use crate::short::{PROGRAM, assert_good};

const ROUNDS: u32 = 200;

#[test]
fn two_hundred_kills_lose_nothing_at_normal_durability() {
    two_hundred_kills("normal");
}

#[test]
fn two_hundred_kills_lose_nothing_at_full_durability() {
    two_hundred_kills("full");
}

fn two_hundred_kills(durability: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    let store = format!("--store=sqlite:{}?durability={durability}", path.display());
    let seed = fastrand::u64(..);
    let plan =
        Arguments::parse_from(["soak", "--rate=200", &store, &format!("--seed={seed}")]).plan;
    let mut observer = Observer::start(Path::new(PROGRAM), &plan).unwrap();
    let mut rng = Rng::with_seed(seed);
    for round in 1..=ROUNDS {
        // The moments are what is drawn here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(rng.u64(20..=120)));
        if round % 10 == 0 {
            observer.kill_all().unwrap();
        } else {
            let victim = rng.choice(observer.alive(None)).unwrap();
            observer.kill(victim).unwrap();
        }
        observer.look_after().unwrap();
    }
    observer.wind_down(DRAIN, Duration::ZERO).unwrap();
    let report = observer.verify().unwrap();
    assert_good(&report);
    let killed = report.counts.producers_killed + report.counts.workers_killed;
    assert!(killed >= u64::from(ROUNDS), "{report}");
    assert!(report.messages.accepted > 100, "{report}");
}
