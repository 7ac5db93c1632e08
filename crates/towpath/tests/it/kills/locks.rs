//! Processes that share a lock, one of them frozen in the middle of what only one may do.
//!
//! What the lock protects is a file of lines. A writer hands its fence along, and the file refuses one
//! that is smaller than the last, as anything that a lock protects should: no lock can keep a frozen
//! process from going on when it is thawed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use towpath::{Broker, Owner};

use super::process::{Part, Process, SOON, say, store_in, until};

const LOCK: &str = "ledger";
/// How many lines a holder writes before it releases the lock.
const LINES: usize = 5;

/// What the lock protects. Its own lock is held for one line.
struct Ledger(PathBuf);

impl Ledger {
    fn in_directory(directory: &Path) -> Self {
        Self(directory.join("ledger"))
    }

    fn open(&self) -> File {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(&self.0).unwrap();
        file.lock().unwrap();
        file
    }

    fn lines_of(file: &mut File) -> Vec<u64> {
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    fn lines(&self) -> Vec<u64> {
        Self::lines_of(&mut self.open())
    }

    /// Writes a line, unless somebody with a greater fence has written.
    fn write(&self, fence: u64) -> bool {
        let mut file = self.open();
        let last = Self::lines_of(&mut file).last().copied().unwrap_or(0);
        if fence < last {
            return false;
        }
        file.write_all(format!("{fence}\n").as_bytes()).unwrap();
        true
    }
}

/// One of those who share the lock: takes it, writes its lines, tells how that went.
pub(super) async fn share(part: &Part) {
    let broker = Broker::new(towpath::open(&part.store).unwrap());
    let lock = broker.lock(LOCK).unwrap().ttl(part.lease);
    let ledger = Ledger::in_directory(&part.directory);
    loop {
        let guard = lock.lock(SOON).await.unwrap();
        let fence = guard.fence();
        let mut refused = 0;
        for line in 0..LINES {
            refused += usize::from(!ledger.write(fence));
            if line == 0 {
                say(&format!("writing {fence}"));
            }
            // Long enough for others to come between, if they could.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let held = guard.is_held();
        let released = guard.release().await.unwrap();
        say(&format!("wrote {fence} {refused} {held} {released}"));
    }
}

/// What a process told of one holding.
struct Told {
    fence: u64,
    refused: usize,
    /// Whether its guard believed in the lock at the end, and whether the store did.
    held: bool,
    released: bool,
}

fn told(said: &[String]) -> Vec<Told> {
    let told = |rest: &str| {
        let mut words = rest.split(' ');
        let mut next = || words.next().unwrap();
        Told {
            fence: next().parse().unwrap(),
            refused: next().parse().unwrap(),
            held: next().parse().unwrap(),
            released: next().parse().unwrap(),
        }
    };
    said.iter()
        .filter_map(|line| line.strip_prefix("wrote "))
        .map(told)
        .collect()
}

/// Everything it says up to `text`.
fn said_until(process: &mut Process, text: &str) -> Vec<String> {
    let mut said = Vec::new();
    while said
        .last()
        .is_none_or(|last: &String| !last.starts_with(text))
    {
        said.push(process.next().expect("it goes on"));
    }
    said
}

#[tokio::test]
async fn a_lock_excludes_processes_also_those_that_are_frozen_and_thawed() {
    let directory = tempfile::tempdir().unwrap();
    exclude_also_the_frozen(&store_in(&directory), directory.path()).await;
}

pub(crate) async fn exclude_also_the_frozen(store: &str, directory: &Path) {
    let ledger = Ledger::in_directory(directory);
    let ttl = Duration::from_secs(1);
    let mut frozen = Process::start_at("share a lock", store, ttl, directory);
    let mut said = said_until(&mut frozen, "writing");
    let other = || Process::start_at("share a lock", store, ttl, directory);
    let mut others = [other(), other()];
    let was_lost = |said: &[String]| told(said).iter().any(|told| !told.released);
    for round in 0.. {
        if round >= 3 && was_lost(&said) {
            break;
        }
        assert!(round < 50, "it was never frozen while it held the lock");
        // Frozen while it holds the lock, until another has it: the ledger tells.
        let fence: u64 = said.last().unwrap()["writing ".len()..].parse().unwrap();
        frozen.freeze();
        let last = ledger.lines().last().copied().unwrap();
        until("another takes the lock", async || {
            ledger
                .lines()
                .last()
                .is_some_and(|line| *line > last.max(fence))
        })
        .await;
        frozen.signal(Signal::CONT);
        said.extend(said_until(&mut frozen, "wrote"));
        said.extend(said_until(&mut frozen, "writing"));
    }
    let mut all = told(&said);
    for process in others.iter_mut().chain([&mut frozen]) {
        process.kill();
        all.extend(told(&process.rest()));
    }

    let lines = ledger.lines();
    assert!(lines.is_sorted(), "{lines:?}");
    for Told {
        fence,
        refused,
        held,
        released,
    } in &all
    {
        let written = lines.iter().filter(|line| *line == fence).count();
        assert_eq!(written + refused, LINES);
        if *released {
            // Who held it to the end was alone from the first line to the last.
            assert_eq!(*refused, 0, "fence {fence}");
        } else {
            assert!(
                !held,
                "the guard of {fence} believed in a lock that was gone"
            );
        }
    }
    assert!(
        all.iter().any(|told| told.released),
        "nobody held it to the end"
    );
}

#[tokio::test]
async fn the_lock_of_a_killed_process_is_free_after_its_ttl() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let mut doomed = Process::start("share a lock", &store, Duration::from_millis(500));
    doomed.until_said("writing");
    doomed.kill();
    let broker = Broker::new(towpath::open(&store).unwrap());
    let lock = broker.lock(LOCK).unwrap().owner(Owner::Process);
    let guard = lock.lock(SOON).await.unwrap();
    let ledger = Ledger::in_directory(directory.path());
    let last = ledger.lines().last().copied().unwrap();
    assert!(guard.fence() > last);
}
