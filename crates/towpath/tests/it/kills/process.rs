//! Another process of a test: this test binary again, told by its environment what to play.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rusqlite::TransactionBehavior::Immediate;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

const ROLE: &str = "TOWPATH_TEST_ROLE";
const STORE: &str = "TOWPATH_TEST_STORE";
const LEASE_MS: &str = "TOWPATH_TEST_LEASE_MS";
const DIRECTORY: &str = "TOWPATH_TEST_DIRECTORY";

/// Longest wait for something that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// A lease that lasts longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// What a child was told to play.
pub(crate) struct Part {
    pub(crate) role: String,
    pub(crate) store: String,
    pub(crate) lease: Duration,
    /// Where processes find what they share beside the store.
    pub(crate) directory: PathBuf,
}

impl Part {
    /// `None` in the test program itself.
    pub(crate) fn of_this_process() -> Option<Self> {
        let lease_ms = std::env::var(LEASE_MS).map_or(60_000, |ms| ms.parse().unwrap());
        Some(Self {
            role: std::env::var(ROLE).ok()?,
            store: std::env::var(STORE).unwrap(),
            lease: Duration::from_millis(lease_ms),
            directory: std::env::var_os(DIRECTORY).unwrap().into(),
        })
    }
}

/// Whether the full forms of tests that take long were asked for.
pub(crate) fn slow_tests() -> bool {
    std::env::var_os("TOWPATH_SLOW_TESTS").is_some_and(|value| value == "1")
}

/// A line that the parent waits for.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n~{text}").unwrap();
    out.flush().unwrap();
}

/// Another process, killed at the latest with the test.
pub(crate) struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
    store: String,
}

impl Process {
    /// On a store in a file; what processes share besides is beside it.
    pub(crate) fn start(role: &str, store: &str, lease: Duration) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::start_through(Command::new(program), role, store, lease)
    }

    /// On a store anywhere.
    pub(crate) fn start_at(role: &str, store: &str, lease: Duration, directory: &Path) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::start_with(Command::new(program), role, store, lease, directory)
    }

    /// Starts it through a command that ends in the path of this program: one that gives it another
    /// user, or a mount of its own.
    pub(crate) fn start_through(
        command: Command,
        role: &str,
        store: &str,
        lease: Duration,
    ) -> Self {
        Self::start_with(command, role, store, lease, &beside(store))
    }

    fn start_with(
        mut command: Command,
        role: &str,
        store: &str,
        lease: Duration,
        directory: &Path,
    ) -> Self {
        let mut child = command
            .args([
                "--exact",
                "kills::child_process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, role)
            .env(STORE, store)
            .env(LEASE_MS, lease.as_millis().to_string())
            .env(DIRECTORY, directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            store: store.to_owned(),
        }
    }

    /// Reads on until the process says `text`.
    pub(crate) fn until(&mut self, text: &str) {
        while let Some(said) = self.next() {
            if said == text {
                return;
            }
        }
        panic!("the process ended without saying {text:?}");
    }

    /// Reads on until the process says something that begins with `start`; answers the rest of it.
    pub(crate) fn until_said(&mut self, start: &str) -> String {
        while let Some(said) = self.next() {
            if let Some(rest) = said.strip_prefix(start) {
                return rest.trim().to_owned();
            }
        }
        panic!("the process ended without saying {start:?}");
    }

    /// The next thing that the process says; `None` at its end.
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(said) = said(&line) {
                return Some(said.to_owned());
            }
        }
    }

    /// What it said and nobody has read, up to its end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut rest = String::new();
        let _cut_short = self.lines.read_to_string(&mut rest);
        let lines = rest.split_inclusive('\n').filter_map(said);
        lines.map(str::to_owned).collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// SIGSTOP, at a moment at which it holds no lock of the store's file: one that stops in the middle
    /// of a transaction stops every other writer too.
    pub(crate) fn freeze(&self) {
        let Some(file) = self.store.strip_prefix("sqlite:") else {
            return self.signal(Signal::STOP);
        };
        let mut db = rusqlite::Connection::open(file).unwrap();
        for _ in 0..100 {
            self.signal(Signal::STOP);
            let pid = Some(Pid::from_child(&self.child));
            let (_, status) = waitpid(pid, WaitOptions::UNTRACED).unwrap().unwrap();
            assert!(status.stopped(), "it ended instead: {status:?}");
            db.busy_timeout(Duration::ZERO).unwrap();
            if db.transaction_with_behavior(Immediate).is_ok() {
                return;
            }
            self.signal(Signal::CONT);
            db.busy_timeout(SOON).unwrap();
            drop(db.transaction_with_behavior(Immediate).unwrap());
        }
        panic!("it held a lock each time it was stopped");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

/// What a line says. One that a kill cut short was not said.
fn said(line: &str) -> Option<&str> {
    line.strip_prefix('~')?.strip_suffix('\n')
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _already_dead = self.child.wait();
    }
}

/// The directory of a store in a file.
pub(crate) fn beside(store: &str) -> PathBuf {
    let file = store.strip_prefix("sqlite:").unwrap();
    Path::new(file).parent().unwrap().to_owned()
}

pub(crate) fn store_in(directory: &TempDir) -> String {
    store_at(directory.path())
}

pub(crate) fn store_at(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("jobs.db").display())
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let held = tokio::time::timeout(SOON, holds).await;
    held.unwrap_or_else(|_| panic!("never seen: {what}"));
}
