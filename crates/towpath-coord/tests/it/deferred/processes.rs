//! Real processes, killed: this binary starts itself in the role that the environment names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use tempfile::TempDir;
use towpath_coord::deferred::{Config, Manager, Registry};
use towpath_coord::{Network, Place, World};

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
        let mut process = Self {
            child,
            stdin,
            stdout,
        };
        process.wait_for("waiting");
        process
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

fn manager(directory: &Path) -> Manager {
    let place = Place::open(World::new(), directory, Network::Refuse).unwrap();
    Manager::open(&place, registry(directory), Config::default()).unwrap()
}

/// Nothing of itself: the part of a process that was started by a test.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let directory = std::env::var_os(DIRECTORY).unwrap();
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
        // It is not waited for, and outlives this process.
        let mut sleep = Command::new("sleep");
        let sleep = sleep.arg("1000").stdin(Stdio::null()).stdout(Stdio::null());
        #[expect(clippy::zombie_processes, reason = "its parent is to be killed")]
        let grandchild = sleep.stderr(Stdio::null()).spawn().unwrap();
        println!("grandchild {}", grandchild.id());
    }
    println!("waiting");
    let _end = std::io::stdin().read_line(&mut String::new());
    scope.end();
    manager.close().unwrap();
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
fn a_grandchild_does_not_keep_the_lock_of_its_dead_parent() {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "deferred::processes::child_process",
            "--nocapture",
        ])
        .env(ROLE, "parent")
        .env(DIRECTORY, directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process {
        stdin: child.stdin.take(),
        stdout: BufReader::new(child.stdout.take().unwrap()),
        child,
    };
    let grandchild = process.wait_for("grandchild");
    process.wait_for("waiting");
    process.kill();
    let alive = Path::new("/proc").join(&grandchild).exists();
    let report = manager(directory.path()).run_orphans().unwrap();
    Command::new("kill").arg(&grandchild).status().unwrap();
    assert!(alive);
    assert_eq!(report.done, 2, "{report:?}");
    assert_eq!(said(directory.path()), ["parent 1", "parent 2"]);
}
