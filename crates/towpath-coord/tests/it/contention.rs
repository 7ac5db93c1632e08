//! Many real processes at one lock, stopped and killed at any line: never two holders, and nobody publishes late.
//!
//! `TOWPATH_CONTENDED_ROUNDS` says how many rounds each process has; the full measure is 5,000.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use towpath_coord::liveness::System;
use towpath_coord::{Cancel, EventLock, Network, Place, Steal, Wait, World};
use towpath_core::{Kind, SystemClock};

const ROLE: &str = "TOWPATH_CONTENTION_ROLE";
const DIRECTORY: &str = "TOWPATH_CONTENTION_DIRECTORY";
const ROUNDS: &str = "TOWPATH_CONTENDED_ROUNDS";
const PROCESSES: usize = 16;
/// Shorter than a stop, so that locks are stolen from who is stopped.
const TIMEOUT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(30);

fn lock(directory: &Path) -> EventLock {
    let place = Place::open(World::new(), directory, Network::Refuse).unwrap();
    EventLock::lasting(place, TIMEOUT)
}

fn rounds() -> u64 {
    let told = std::env::var(ROUNDS).ok();
    told.map_or(100, |rounds| rounds.parse().unwrap())
}

fn start(role: &str, directory: &Path) -> Child {
    let this = std::env::current_exe().unwrap();
    let test = ["--exact", "contention::child_process", "--nocapture"];
    let mut command = Command::new(this);
    command.args(test).env(ROLE, role).env(DIRECTORY, directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).unwrap();
}

/// Not a test but the other processes.
#[test]
fn child_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    match std::env::var(ROLE).unwrap().as_str() {
        "contend" => contend(&directory),
        "hold" => hold(&directory),
        role => panic!("there is no role {role}"),
    }
}

/// Takes the lock, publishes and gives it up, until all rounds are done by all together.
fn contend(directory: &Path) {
    let mut lock = lock(directory);
    let all = rounds() * PROCESSES as u64;
    loop {
        let is_held = match lock.acquire_within(Wait::For(LONG), Steal::Expired, &Cancel::new()) {
            // Somebody is stopped in the midst of a transition.
            Err(error) if error.kind() == Kind::TimedOut => continue,
            held => held.unwrap(),
        };
        if !is_held {
            continue;
        }
        let fence = lock.fence().unwrap();
        if fastrand::u8(..8) == 0 {
            // Work that takes longer than the lock lasts: then it is there to be stolen.
            std::thread::sleep(TIMEOUT + TIMEOUT / 2);
        }
        match lock.publish(|| Ok(round(directory, fence))) {
            Ok(done) if done >= all => return,
            Ok(_) => {}
            // It was stolen while we were stopped.
            Err(error) if [Kind::LeaseLost, Kind::TimedOut].contains(&error.kind()) => {}
            Err(error) => panic!("{error}"),
        }
        if let Err(error) = lock.release() {
            assert_eq!(error.kind(), Kind::TimedOut, "{error}");
        }
    }
}

/// What only a holder may do: nobody else is in here, and no older holder comes behind a newer one. Answers how many
/// rounds were done.
fn round(directory: &Path, fence: u64) -> u64 {
    let (inside, ledger) = (directory.join("inside"), directory.join("ledger"));
    if let Err(error) = File::create_new(&inside) {
        let left_by = fs::read_to_string(&inside).unwrap_or_default();
        // One that was killed before it could write its number has left nothing.
        let is_alive = |pid| System::new(&SystemClock::new()).of(pid).is_some();
        let is_alone = !left_by.trim().parse().is_ok_and(is_alive);
        report(directory, is_alone, || {
            format!("{left_by} is inside too: {error}")
        });
    }
    fs::write(&inside, std::process::id().to_string()).unwrap();
    let (last, done) = read(&ledger);
    report(directory, last <= fence, || {
        format!("{fence} comes behind {last}")
    });
    write(&ledger, fence, done + 1);
    fs::remove_file(&inside).unwrap();
    done + 1
}

fn report(directory: &Path, is_well: bool, what: impl Fn() -> String) {
    if !is_well {
        fs::write(directory.join("violation"), what()).unwrap();
        panic!("{}", what());
    }
}

/// The largest fence, and how many rounds were done.
fn read(ledger: &Path) -> (u64, u64) {
    let text = fs::read_to_string(ledger).unwrap_or_else(|_| "0 0".to_owned());
    let (fence, done) = text.split_once(' ').unwrap();
    (fence.parse().unwrap(), done.parse().unwrap())
}

fn write(ledger: &Path, fence: u64, done: u64) {
    let aside = ledger.with_extension("aside");
    fs::write(&aside, format!("{fence} {done}")).unwrap();
    fs::rename(&aside, ledger).unwrap();
}

#[test]
fn sixteen_processes_that_are_stopped_and_killed_never_hold_it_together() {
    let directory = TempDir::new().unwrap();
    let all = rounds() * PROCESSES as u64;
    let contender = || start("contend", directory.path());
    let mut children: Vec<_> = (0..PROCESSES).map(|_| contender()).collect();
    let ledger = directory.path().join("ledger");
    let mut random = fastrand::Rng::with_seed(0x70_77_70_61_74_68);
    let (mut stopped, mut killed) = (0, 0);
    while read(&ledger).1 < all {
        let victim = &mut children[random.usize(..PROCESSES)];
        if victim.try_wait().unwrap().is_some() {
            // Ended as it should, or with a violation: both are looked at below.
            if directory.path().join("violation").exists() || read(&ledger).1 >= all {
                break;
            }
            *victim = contender();
        }
        // The pauses are the load and not something that is waited for.
        if random.u8(..10) < 7 {
            send(victim, Signal::STOP);
            std::thread::sleep(Duration::from_millis(random.u64(1..60)));
            send(victim, Signal::CONT);
            stopped += 1;
        } else {
            send(victim, Signal::KILL);
            victim.wait().unwrap();
            *victim = contender();
            killed += 1;
        }
        std::thread::sleep(Duration::from_millis(random.u64(1..20)));
    }
    let violation = fs::read_to_string(directory.path().join("violation"));
    assert!(violation.is_err(), "{}", violation.unwrap());
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(
        stopped > 0 && killed > 0,
        "{stopped} stops and {killed} kills"
    );
    let (fence, done) = read(&ledger);
    println!("{done} rounds under {fence} takings, {stopped} stops and {killed} kills");
}

/// Takes the lock, says so, and publishes when it is told to.
fn hold(directory: &Path) {
    let mut lock = lock(directory);
    let held = lock.acquire_within(Wait::For(LONG), Steal::Expired, &Cancel::new());
    assert!(held.unwrap());
    println!("holding");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let published = lock.publish(|| {
        fs::write(directory.join("published"), "late").unwrap();
        Ok(())
    });
    assert_eq!(published.unwrap_err().kind(), Kind::LeaseLost);
}

#[test]
fn a_holder_that_was_paused_publishes_nothing() {
    let directory = TempDir::new().unwrap();
    let mut child = start("hold", directory.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    send(&child, Signal::STOP);
    let mut lock = lock(directory.path());
    let stolen = lock.acquire_within(Wait::For(LONG), Steal::Expired, &Cancel::new());
    assert!(stolen.unwrap());
    send(&child, Signal::CONT);
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(!directory.path().join("published").exists());
}
