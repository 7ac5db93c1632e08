//! Real processes, killed: this binary starts itself in the role that the environment names.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use towpath_coord::deferred::{Config, Manager, Registry};
use towpath_coord::fs::{Disk, Fs as _, Lock, Open};
use towpath_coord::liveness::Life;
use towpath_coord::{Cancel, EventLock, Network, Place, Steal, Wait, World};
use towpath_core::{Clock, Kind, SystemClock, Timestamp};

use crate::stage::until;

const ROLE: &str = "TOWPATH_COORD_ROLE";
const DIRECTORY: &str = "TOWPATH_COORD_DIRECTORY";

/// A process that has come to the point at which it waits; killed at the latest with the test.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(role: &str, directory: &Path) -> Self {
        let mut process = Self::begin(role, directory);
        process.wait_for("waiting");
        process
    }

    /// Does not wait until it waits: it has something to say before.
    fn begin(role: &str, directory: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "deferred::processes::child_process",
                "--nocapture",
            ])
            .env(ROLE, role)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
        }
    }

    /// Reads what it says up to that word, and answers what is behind it.
    fn wait_for(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "it has ended");
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it go on, and waits for its end.
    fn go_on(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _it_may_have_been_waited_for = self.child.wait();
    }
}

/// `say` appends a line to the file `said`; `stop` says so and waits to be killed.
fn registry(directory: &Path) -> Registry {
    let said = directory.join("said");
    let mut registry = Registry::new();
    let say = move |_: &_, word: String| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(&said)?;
        writeln!(file, "{word}")
    };
    registry.add("say", say).unwrap();
    let stop = |call: &towpath_coord::deferred::Call, (): ()| {
        if call.attempt() == 1 {
            println!("waiting");
            loop {
                std::thread::park();
            }
        }
        Ok::<(), String>(())
    };
    registry.add("stop", stop).unwrap();
    registry
}

fn place(directory: &Path) -> Place {
    Place::open(World::new(), directory, Network::Refuse).unwrap()
}

fn manager(directory: &Path) -> Manager {
    Manager::open(&place(directory), registry(directory), Config::default()).unwrap()
}

/// Nothing of itself: the part of a process that was started by a test.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let directory = std::env::var_os(DIRECTORY).unwrap();
    if role == "publishing" {
        let lock = held(directory.as_ref());
        let publishing = || {
            leave_all_to_a_grandchild();
            wait_to_be_killed()
        };
        return lock.publish(publishing).unwrap();
    }
    let manager = manager(directory.as_ref());
    let scope = manager.scope().unwrap();
    scope.defer("say", &format!("{role} 1")).unwrap();
    if role == "running" {
        scope.defer("stop", &()).unwrap();
    }
    scope.defer("say", &format!("{role} 2")).unwrap();
    if role == "running" {
        scope.end();
        return;
    }
    if role == "parent" {
        let _lock = held(directory.as_ref());
        leave_all_to_a_grandchild();
        wait_to_be_killed();
    }
    println!("waiting");
    let _end = std::io::stdin().read_line(&mut String::new());
    scope.end();
    manager.close().unwrap();
}

fn held(directory: &Path) -> EventLock {
    let mut lock = EventLock::new(place(directory));
    assert!(take(&mut lock));
    lock
}

fn take(lock: &mut EventLock) -> bool {
    lock.acquire_within(Wait::No, Steal::Never, &Cancel::new())
        .unwrap()
}

fn wait_to_be_killed() -> ! {
    println!("waiting");
    loop {
        std::thread::park();
    }
}

/// Starts a process that has all our open files, as one has that was forked and goes on with this program, and outlives
/// us.
fn leave_all_to_a_grandchild() {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    for number in open {
        // SAFETY: it is borrowed for one call that closes nothing, and a number that is nobody's is an error of it.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(file, FdFlags::empty()) {
            // That of the list itself.
            Err(Errno::BADF) => {}
            kept => kept.unwrap(),
        }
    }
    let mut sleep = Command::new("sleep");
    let sleep = sleep.arg("1000").stdin(Stdio::null()).stdout(Stdio::null());
    #[expect(clippy::zombie_processes, reason = "its parent is to be killed")]
    let grandchild = sleep.stderr(Stdio::null()).spawn().unwrap();
    println!("grandchild {}", grandchild.id());
}

/// What a process that was killed has left running; ends with this.
struct Grandchild(i32);

impl Grandchild {
    /// Starts a process that starts one, and kills it.
    fn of(role: &str, directory: &Path) -> Self {
        let mut process = Process::begin(role, directory);
        let grandchild = Self(process.wait_for("grandchild").parse().unwrap());
        process.wait_for("waiting");
        process.kill();
        grandchild
    }

    /// Whether it has that file open. By its number: one that was made without a name is shown without one.
    fn has(&self, path: &Path) -> bool {
        let which = |path: &Path| {
            let found = std::fs::metadata(path).unwrap();
            (found.dev(), found.ino())
        };
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.0)).unwrap();
        let mut open = open.map(|entry| which(&entry.unwrap().path()));
        open.any(|open| open == which(path))
    }
}

impl Drop for Grandchild {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0).unwrap();
        let _it_may_have_ended = kill_process(pid, Signal::KILL);
    }
}

fn is_locked(path: &Path) -> bool {
    let file = Disk.open(path, Open::Write).unwrap();
    !file.try_lock(Lock::Exclusive).unwrap()
}

fn said(directory: &Path) -> Vec<String> {
    let said = std::fs::read_to_string(directory.join("said")).unwrap_or_default();
    let mut said: Vec<_> = said.lines().map(str::to_owned).collect();
    said.sort_unstable();
    said
}

#[test]
fn of_three_managers_the_dead_ones_are_taken_over_and_the_live_one_is_not() {
    let directory = TempDir::new().unwrap();
    let holding = Process::start("holding", directory.path());
    let running = Process::start("running", directory.path());
    let living = Process::start("living", directory.path());
    assert_eq!(said(directory.path()), ["running 1"], "it is in its second");
    holding.kill();
    running.kill();
    let here = manager(directory.path());
    let report = here.run_orphans().unwrap();
    assert_eq!((report.taken, report.done), (2, 4), "{report:?}");
    let expected = ["holding 1", "holding 2", "running 1", "running 2"];
    assert_eq!(said(directory.path()), expected);
    living.go_on();
    let expected = [
        "holding 1",
        "holding 2",
        "living 1",
        "living 2",
        "running 1",
        "running 2",
    ];
    assert_eq!(said(directory.path()), expected);
    assert_eq!(here.run_orphans().unwrap(), Default::default());
}

#[test]
fn a_grandchild_with_all_open_files_does_not_keep_what_its_dead_parent_has_held() {
    let directory = TempDir::new().unwrap();
    let grandchild = Grandchild::of("parent", directory.path());
    let state = directory.path().join("deferred");
    let names = Disk.list(&state, 10).unwrap();
    let is_ours = |name: &&OsString| name.as_encoded_bytes().starts_with(b"func");
    let file = state.join(names.iter().find(is_ours).unwrap());
    assert!(grandchild.has(&file) && is_locked(&file));
    assert!(grandchild.has(&state.join(".dir")));

    let manager = manager(directory.path());
    let report = manager.run_orphans().unwrap();
    assert_eq!((report.taken, report.done), (1, 2), "{report:?}");
    assert_eq!(said(directory.path()), ["parent 1", "parent 2"]);
    assert!(!file.exists());
    assert_eq!(manager.run_orphans().unwrap(), Default::default());

    let mut lock = EventLock::new(place(directory.path()));
    assert_eq!(lock.holder().unwrap().unwrap().life, Life::Dead);
    assert!(take(&mut lock));
    lock.publish(|| Ok(())).unwrap();
    assert!(lock.release().unwrap());
}

/// Time passes with every look at it.
#[derive(Debug)]
struct Hasty {
    of: SystemClock,
    looks: AtomicU32,
}

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.of.now()
    }

    fn uptime(&self) -> Duration {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        self.of.uptime() + looks * Duration::from_secs(1)
    }

    fn boot(&self) -> Arc<str> {
        self.of.boot()
    }
}

#[test]
fn a_grandchild_forked_in_the_midst_of_a_transition_is_waited_for_within_bounds() {
    let directory = TempDir::new().unwrap();
    let grandchild = Grandchild::of("publishing", directory.path());
    let guard = directory.path().join(".towpath.guard");
    assert!(grandchild.has(&guard) && is_locked(&guard));
    let clock = Hasty {
        of: SystemClock::new(),
        looks: AtomicU32::new(0),
    };
    let world = World::new().with_clock(Arc::new(clock));
    let hasty = Place::open(world, directory.path(), Network::Refuse).unwrap();
    let mut lock = EventLock::new(hasty);
    let waiting = std::thread::spawn(move || (take(&mut lock), lock));
    until("it waits for ever", || waiting.is_finished());
    let (is_taken, mut lock) = waiting.join().unwrap();
    assert!(!is_taken);
    assert_eq!(lock.expires().unwrap_err().kind(), Kind::TimedOut);
    drop(grandchild);
    until("it has ended and keeps the lock", || !is_locked(&guard));
    assert!(take(&mut lock));
}
