//! Many real processes at one lock, stopped and killed at any line: never two holders, and nobody publishes late.
//!
//! All processes together do 16 times `TOWPATH_CONTENDED_ROUNDS` rounds, whoever comes to them; the full measure is 5,000,
//! which makes 80,000 rounds.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use towpath_coord::liveness::{Identity, Life, Processes as _, System};
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

/// How many rounds are done by all processes together.
fn all_rounds() -> u64 {
    rounds() * PROCESSES as u64
}

/// Another process, which ends with this at the latest.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _it_may_have_been_waited_for = self.0.wait();
    }
}

fn start(role: &str, directory: &Path) -> Process {
    let this = std::env::current_exe().unwrap();
    let test = ["--exact", "contention::child_process", "--nocapture"];
    let mut command = Command::new(this);
    command.args(test).env(ROLE, role).env(DIRECTORY, directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    Process(command.spawn().unwrap())
}

fn send(process: &Process, signal: Signal) {
    let pid = Pid::from_child(&process.0);
    kill_process(pid, signal).unwrap();
}

/// Not a test but the other processes.
#[test]
fn child_process() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else {
        return;
    };
    tell_panics(&directory);
    match std::env::var(ROLE).unwrap().as_str() {
        "contend" => contend(&directory),
        "hold" => hold(&directory),
        role => panic!("there is no role {role}"),
    }
}

/// Has every panic of this process leave its text in the file `violation`, where the test finds it: a process that has
/// ended looks otherwise like one that has done its part. The first text stays.
fn tell_panics(directory: &Path) {
    let directory = directory.to_owned();
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        shown(panic);
        let aside = directory.join(format!("violation-{}", std::process::id()));
        let _told_at_least = fs::write(&aside, panic.to_string());
        // A second name, so that the file is whole when it is found, and never replaced.
        let _there_was_another = fs::hard_link(&aside, directory.join("violation"));
    }));
}

/// Takes the lock, publishes and gives it up, until all rounds are done by all together.
fn contend(directory: &Path) {
    let mut lock = lock(directory);
    let processes = System::new(&SystemClock::new());
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
        match lock.publish(|| Ok(round(directory, &processes, fence))) {
            Ok(done) if done >= all_rounds() => return,
            Ok(_) => {}
            // It was stolen while we were stopped.
            Err(error) if [Kind::LeaseLost, Kind::TimedOut].contains(&error.kind()) => {}
            Err(error) => panic!("{error}"),
        }
        // Until it is given up, to take it again would be to wait for ourselves.
        while let Err(error) = lock.release() {
            assert_eq!(error.kind(), Kind::TimedOut, "{error}");
        }
    }
}

/// What only a holder may do: nobody else is in here, and no older holder comes behind a newer one. Answers how many
/// rounds were done.
fn round(directory: &Path, processes: &System, fence: u64) -> u64 {
    let (inside, ledger) = (directory.join("inside"), directory.join("ledger"));
    // A link is there together with what it says: whoever finds it knows who made it.
    let me = PathBuf::from(serde_json::to_string(&processes.me()).unwrap());
    if let Err(error) = symlink(&me, &inside) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        // One that is gone by now was removed by somebody who was inside too.
        let left_by = fs::read_link(&inside).expect("somebody has just left");
        assert!(
            has_ended(processes, &left_by),
            "{} is inside too",
            left_by.display()
        );
        fs::remove_file(&inside).unwrap();
        symlink(&me, &inside).unwrap();
    }
    let (last, done) = read(&ledger);
    assert!(last < fence, "{fence} comes behind {last}");
    write(&ledger, fence, done + 1);
    assert_eq!(fs::read_link(&inside).unwrap(), me);
    fs::remove_file(&inside).unwrap();
    done + 1
}

/// Whether the process that a link names has ended, or is about to: its locks are gone a moment before it is.
fn has_ended(processes: &System, link: &Path) -> bool {
    /// Of the ninth field of `stat` (proc(5)): the process runs no line of its program any more.
    const EXITING: u64 = 4;
    let of: Identity = serde_json::from_str(link.to_str().unwrap()).unwrap();
    let told = fs::read_to_string(format!("/proc/{}/stat", of.pid));
    let flags = || -> Option<u64> {
        let (_, told) = told.as_ref().ok()?.rsplit_once(") ")?;
        told.split(' ').nth(6)?.parse().ok()
    };
    processes.life(&of) == Life::Dead || flags().is_some_and(|flags| flags & EXITING != 0)
}

/// The largest fence, and how many rounds were done.
fn read(ledger: &Path) -> (u64, u64) {
    let text = match fs::read_to_string(ledger) {
        Err(error) if error.kind() == ErrorKind::NotFound => "0 0".to_owned(),
        text => text.unwrap(),
    };
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
    let contender = || start("contend", directory.path());
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| contender()).collect();
    let ledger = directory.path().join("ledger");
    let mut random = fastrand::Rng::with_seed(0x70_77_70_61_74_68);
    let (mut stopped, mut killed) = (0, 0);
    while read(&ledger).1 < all_rounds() {
        let victim = &mut processes[random.usize(..PROCESSES)];
        if victim.0.try_wait().unwrap().is_some() {
            // Since nobody has killed it, all rounds are done or something is wrong: both are looked at below.
            break;
        }
        // The pauses are the load and not something that is waited for.
        if random.u8(..10) < 7 {
            send(victim, Signal::STOP);
            std::thread::sleep(Duration::from_millis(random.u64(1..60)));
            send(victim, Signal::CONT);
            stopped += 1;
        } else {
            *victim = contender();
            killed += 1;
        }
        std::thread::sleep(Duration::from_millis(random.u64(1..20)));
    }
    let violation = || fs::read_to_string(directory.path().join("violation")).ok();
    assert_eq!(violation(), None);
    for process in &mut processes {
        let status = process.0.wait().unwrap();
        assert!(status.success(), "{status}: {:?}", violation());
    }
    assert!(
        stopped > 0 && killed > 0,
        "{stopped} stops and {killed} kills"
    );
    let (_, done) = read(&ledger);
    println!("{done} rounds, {stopped} stops and {killed} kills");
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
    let mut process = start("hold", directory.path());
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")));
    send(&process, Signal::STOP);
    let mut lock = lock(directory.path());
    let stolen = lock.acquire_within(Wait::For(LONG), Steal::Expired, &Cancel::new());
    assert!(stolen.unwrap());
    send(&process, Signal::CONT);
    let mut stdin = process.0.stdin.take().unwrap();
    stdin.write_all(b"go\n").unwrap();
    assert!(process.0.wait().unwrap().success());
    assert!(!directory.path().join("published").exists());
}
