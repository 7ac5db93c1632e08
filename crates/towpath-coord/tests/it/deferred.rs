//! What becomes of deferred functions whose process, disk, directory or peers fail them.

mod bounds;
mod crashes;
mod endings;
mod neighbours;
mod poor;
mod processes;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use towpath_coord::deferred::{
    Cleaned, Config, KillProcessGroup, Manager, Order, Registry, RemovePath, Report, RunCommand,
    TakeOver, clean, list,
};
use towpath_coord::fs::{Disk, Fs, Lock, Open};
use towpath_coord::journal::{Durability, Journal};
use towpath_coord::liveness::{Identity, Life, Processes, System};
use towpath_coord::{Network, Place, World};
use towpath_core::{Kind, SystemClock};

/// Processes that live until they are said to be dead.
#[derive(Debug)]
struct Made {
    pid: u32,
    dead: Arc<Mutex<Vec<u32>>>,
}

impl Processes for Made {
    fn me(&self) -> Identity {
        Identity {
            host: "here".to_owned(),
            boot: "now".to_owned(),
            namespace: 1,
            pid: self.pid,
            started: 1,
        }
    }

    fn life(&self, of: &Identity) -> Life {
        match self.dead.lock().unwrap().contains(&of.pid) {
            true => Life::Dead,
            false => Life::Alive,
        }
    }
}

/// A directory, the processes that use it, and what they have run.
struct Site {
    directory: TempDir,
    dead: Arc<Mutex<Vec<u32>>>,
    ran: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            dead: Arc::default(),
            ran: Arc::default(),
        }
    }

    fn place(&self, pid: u32) -> Place {
        self.place_over(pid, Arc::new(Disk))
    }

    fn place_over(&self, pid: u32, fs: Arc<dyn Fs>) -> Place {
        let dead = self.dead.clone();
        let processes = Arc::new(Made { pid, dead });
        // The place itself is looked at before anything can fail.
        let world = World::new().with_processes(processes).with_fs(fs);
        Place::open(world, self.directory.path(), Network::Refuse).unwrap()
    }

    fn registry(&self) -> Registry {
        self.registry_while(|| true)
    }

    /// Of a process that does nothing any more when it is dead.
    fn registry_while(&self, is_alive: impl Fn() -> bool + Send + Sync + 'static) -> Registry {
        let mut registry = Registry::new();
        let ran = self.ran.clone();
        let say = move |_: &_, word: String| {
            if is_alive() {
                ran.lock().unwrap().push(word);
            }
            Ok::<(), String>(())
        };
        registry.add("say", say).unwrap();
        registry
    }

    fn manager(&self, pid: u32) -> Manager {
        Manager::open(&self.place(pid), self.registry(), Config::default()).unwrap()
    }

    fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }

    /// A process that registers these and dies.
    fn leave(&self, pid: u32, words: &[&str]) {
        let manager = self.manager(pid);
        let scope = manager.scope().unwrap();
        for word in words {
            scope.defer("say", *word).unwrap();
        }
        die(scope, manager);
        self.dead.lock().unwrap().push(pid);
    }

    /// Flips a bit behind the first byte of these in the only state file.
    fn spoil(&self, what: &[u8]) {
        let directory = self.directory.path().join("deferred");
        let path = directory.join(&self.state_files()[0]);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(what.len()).position(|found| found == what);
        bytes[at.unwrap() + 1] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    fn state_files(&self) -> Vec<String> {
        self.names("")
    }

    fn names(&self, inner: &str) -> Vec<String> {
        let directory = self.directory.path().join("deferred").join(inner);
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("func")).collect()
    }
}

/// Nothing is run and the locks are given up: what the end of a process does.
fn die(scope: towpath_coord::deferred::Scope, manager: Manager) {
    manager.abandon();
    drop(scope);
}

fn config(attempts_max: u32, deadline: Duration) -> Config {
    Config {
        attempts_max,
        deadline,
        grace: Duration::from_millis(50),
        ..Config::default()
    }
}

#[test]
fn functions_run_in_order_at_the_end_and_not_before() {
    for (order, expected) in [
        (Order::FirstIn, ["a", "b", "c"]),
        (Order::LastIn, ["c", "b", "a"]),
    ] {
        let site = Site::new();
        let config = Config {
            order,
            ..Config::default()
        };
        let manager = Manager::open(&site.place(1), site.registry(), config).unwrap();
        let scope = manager.scope().unwrap();
        for word in ["a", "b", "c"] {
            scope.defer("say", word).unwrap();
        }
        assert_eq!(site.ran(), [""; 0]);
        let report = scope.end();
        let expected_report = Report {
            done: 3,
            ..Report::default()
        };
        assert_eq!(report, expected_report);
        assert_eq!(site.ran(), expected);
        manager.close().unwrap();
        assert_eq!(site.state_files(), [""; 0]);
    }
}

#[test]
fn they_run_too_when_the_work_panics_or_returns_early() {
    let site = Site::new();
    let manager = site.manager(1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let scope = manager.scope().unwrap();
        scope.defer("say", "after a panic").unwrap();
        panic!("the work fails");
    }));
    assert!(panicked.is_err());
    let early = || -> towpath_core::Result<()> {
        let scope = manager.scope()?;
        scope.defer("say", "after an error")?;
        scope.defer("unheard of", "")
    };
    assert_eq!(early().unwrap_err().kind(), Kind::Invalid);
    assert_eq!(site.ran(), ["after a panic", "after an error"]);
}

#[test]
fn a_scope_without_registrations_writes_nothing() {
    let site = Site::new();
    let manager = site.manager(1);
    let file = || {
        let path = site.directory.path().join("deferred");
        std::fs::read(path.join(&site.state_files()[0])).unwrap()
    };
    let before = file();
    manager.scope().unwrap().end();
    assert_eq!(file(), before);
    let scope = manager.scope().unwrap();
    scope.defer("say", "something").unwrap();
    assert!(file().len() > before.len());
    scope.end();
    assert_eq!(file(), before, "what is settled is dropped");
}

#[test]
fn what_is_out_of_place_is_refused() {
    let site = Site::new();
    let manager = Arc::new(site.manager(1));
    let inside = Arc::new(Mutex::new(Vec::new()));
    let mut registry = site.registry();
    let (told, theirs) = (inside.clone(), manager.clone());
    let nested = move |_: &_, (): ()| {
        told.lock().unwrap().push(theirs.scope().err());
        Ok::<(), String>(())
    };
    registry.add("nested", nested).unwrap();
    let other = Manager::open(&site.place(1), registry, Config::default()).unwrap();
    let scope = other.scope().unwrap();
    scope.defer("nested", &()).unwrap();
    assert_eq!(scope.end().done, 1);
    let refused = inside.lock().unwrap().remove(0).expect("refused");
    assert_eq!(refused.kind(), Kind::WrongState);

    let scope = manager.scope().unwrap();
    assert_eq!(manager.scope().unwrap_err().kind(), Kind::WrongState);
    let registrar = scope.registrar();
    registrar.defer("say", "in time").unwrap();
    scope.end();
    let late = registrar.defer("say", "late").unwrap_err();
    assert_eq!(late.kind(), Kind::WrongState);
    let _next = manager.scope().unwrap();
    let late = registrar.defer("say", "in the next scope").unwrap_err();
    assert_eq!(late.kind(), Kind::WrongState);
    assert_eq!(site.ran(), ["in time"]);
}

#[test]
fn a_deferred_function_cannot_defer() {
    let site = Site::new();
    let mut registry = site.registry();
    type Slot = Arc<Mutex<Option<towpath_coord::deferred::Registrar>>>;
    let (slot, refused): (Slot, Arc<Mutex<Vec<Kind>>>) = Default::default();
    let (theirs, told) = (slot.clone(), refused.clone());
    let again = move |_: &_, (): ()| {
        let registrar = theirs.lock().unwrap().take().unwrap();
        let error = registrar.defer("say", "more").unwrap_err();
        told.lock().unwrap().push(error.kind());
        Ok::<(), String>(())
    };
    registry.add("again", again).unwrap();
    let manager = Manager::open(&site.place(1), registry, Config::default()).unwrap();
    let scope = manager.scope().unwrap();
    *slot.lock().unwrap() = Some(scope.registrar());
    scope.defer("again", &()).unwrap();
    assert_eq!(scope.end().done, 1);
    assert_eq!(*refused.lock().unwrap(), [Kind::WrongState]);
    assert_eq!(site.ran(), [""; 0]);
}

#[test]
fn what_fails_panics_or_overruns_stops_no_other_and_is_given_up() {
    let site = Site::new();
    let mut registry = site.registry();
    let calls: Arc<Mutex<BTreeMap<String, Vec<u32>>>> = Arc::default();
    let told = calls.clone();
    let fail = move |call: &towpath_coord::deferred::Call, how: String| {
        let mut calls = told.lock().unwrap();
        calls
            .entry(format!("{how} {}", call.id()))
            .or_default()
            .push(call.attempt());
        drop(calls);
        match how.as_str() {
            "panic" => panic!("as asked"),
            "overrun" => while !call.is_cancelled() {},
            _ => {}
        }
        Err::<(), _>("no luck")
    };
    registry.add("fail", fail).unwrap();
    // Long enough for what fails at once, also on a machine that is busy.
    let config = Config {
        grace: Duration::from_secs(60),
        ..config(2, Duration::from_secs(2))
    };
    let manager = Manager::open(&site.place(1), registry.clone(), config).unwrap();
    let scope = manager.scope().unwrap();
    for how in ["error", "panic", "overrun"] {
        scope.defer("fail", how).unwrap();
    }
    scope.defer("say", "the last").unwrap();
    let report = scope.end();
    let expected = Report {
        done: 1,
        failed: 2 * 3,
        dead: 3,
        failures: report.failures.clone(),
        ..Report::default()
    };
    assert_eq!(report, expected);
    assert_eq!(report.failures.len(), 2 * 3);
    let told = |end: &str| report.failures.iter().any(|failure| failure.ends_with(end));
    assert!(told(" failed at attempt 1: no luck"), "{report:?}");
    assert!(
        told(" failed at attempt 2: it panicked: as asked"),
        "{report:?}"
    );
    assert_eq!(site.ran(), ["the last"]);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 3, "an id stays the same: {calls:?}");
    assert!(
        calls.values().all(|attempts| attempts == &[1, 2]),
        "{calls:?}"
    );
    manager.close().unwrap();
    let listing = list(&site.place(1), &registry).unwrap();
    assert!(listing.files.is_empty());
    let errors: Vec<_> = listing
        .dead
        .iter()
        .map(|dead| dead.error.as_str())
        .collect();
    assert!(errors.contains(&"no luck"), "{errors:?}");
    assert!(errors.contains(&"it panicked: as asked"), "{errors:?}");
    assert!(
        errors.contains(&"it ran for longer than its 2s"),
        "{errors:?}"
    );
}

#[test]
fn what_does_not_stop_when_it_is_told_is_left_behind() {
    let site = Site::new();
    let mut registry = site.registry();
    let release = Arc::new(AtomicBool::new(false));
    let held = release.clone();
    let deaf = move |_: &_, (): ()| {
        while !held.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        Ok::<(), String>(())
    };
    registry.add("deaf", deaf).unwrap();
    let config = config(2, Duration::from_millis(50));
    let manager = Manager::open(&site.place(1), registry.clone(), config).unwrap();
    let scope = manager.scope().unwrap();
    scope.defer("deaf", &()).unwrap();
    // On another thread: the first is not free.
    scope.defer("say", "the next").unwrap();
    let report = scope.end();
    assert_eq!(site.ran(), ["the next"]);
    release.store(true, Ordering::SeqCst);
    let expected = Report {
        done: 1,
        failed: 1,
        dead: 1,
        failures: report.failures.clone(),
        ..Report::default()
    };
    assert_eq!(report, expected);
    assert_eq!(report.failures.len(), 1);
    manager.close().unwrap();
    let dead = list(&site.place(1), &registry).unwrap().dead;
    let told = "it ran for longer than its 50ms and did not stop";
    assert_eq!(dead[0].error, told);
}

#[test]
fn orphans_on_request_are_run_neither_before_a_scope_nor_after_it() {
    let site = Site::new();
    site.leave(1, &["left"]);
    let config = Config {
        take_over: TakeOver::OnRequest,
        ..Config::default()
    };
    let manager = Manager::open(&site.place(2), site.registry(), config).unwrap();
    let scope = manager.scope().unwrap();
    scope.defer("say", "own").unwrap();
    assert_eq!((scope.orphans().taken, scope.end().taken), (0, 0));
    assert_eq!(site.ran(), ["own"]);
    assert_eq!(manager.run_orphans().unwrap().taken, 1);
    assert_eq!(site.ran(), ["own", "left"]);
}

#[test]
fn what_another_is_running_is_told_for_as_long_as_he_is() {
    let site = Site::new();
    let (begin, begun) = std::sync::mpsc::channel();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (begin, held) = (Mutex::new(begin), Mutex::new(held));
    let mut registry = site.registry();
    let slow = move |_: &_, (): ()| {
        begin.lock().unwrap().send(()).unwrap();
        let _released = held.lock().unwrap().recv();
        Ok::<(), String>(())
    };
    registry.add("slow", slow).unwrap();
    let open = |pid| Manager::open(&site.place(pid), registry.clone(), Config::default()).unwrap();
    let gone = open(1);
    let scope = gone.scope().unwrap();
    scope.defer("slow", &()).unwrap();
    die(scope, gone);
    site.dead.lock().unwrap().push(1);

    let (heir, other) = (open(2), open(3));
    std::thread::scope(|threads| {
        let taking = threads.spawn(|| heir.run_orphans().unwrap());
        begun.recv().unwrap();
        let meanwhile = other.run_orphans().unwrap();
        assert_eq!((meanwhile.taken, meanwhile.elsewhere), (0, 1));
        drop(release);
        let taken = taking.join().unwrap();
        assert_eq!((taken.done, taken.elsewhere), (1, 0));
    });
    assert_eq!(other.run_orphans().unwrap(), Report::default());
}

#[test]
fn an_orphan_is_run_once_and_one_whose_owner_lives_is_not() {
    let site = Site::new();
    site.leave(1, &["a", "b"]);
    let alive = site.manager(2);
    let open = alive.scope().unwrap();
    assert_eq!(open.orphans().done, 2);
    open.defer("say", "c").unwrap();
    let next = site.manager(3);
    assert_eq!(next.run_orphans().unwrap(), Report::default());
    assert_eq!(site.ran(), ["a", "b"]);
    assert_eq!(open.end().done, 1);
}

#[test]
fn a_dropped_manager_leaves_what_is_to_be_run_to_others_of_its_process() {
    let site = Site::new();
    let manager = site.manager(1);
    let scope = manager.scope().unwrap();
    scope.defer("say", "a").unwrap();
    die(scope, manager);
    // Process 1 is alive: the lock that is free decides.
    assert_eq!(site.manager(1).run_orphans().unwrap().done, 1);
    assert_eq!(site.ran(), ["a"]);
}

#[test]
fn a_child_that_keeps_the_lock_of_its_dead_parent_keeps_nothing_else() {
    let site = Site::new();
    site.leave(1, &["a"]);
    let path = site
        .directory
        .path()
        .join("deferred")
        .join(&site.state_files()[0]);
    let child = Disk.open(&path, Open::Write).unwrap();
    assert!(child.try_lock(Lock::Exclusive).unwrap());
    site.dead.lock().unwrap().clear();
    assert_eq!(site.manager(2).run_orphans().unwrap(), Report::default());
    site.dead.lock().unwrap().push(1);
    assert_eq!(site.manager(2).run_orphans().unwrap().done, 1);
    assert_eq!(site.ran(), ["a"]);
    assert!(!path.exists());
}

#[test]
fn what_another_took_without_the_lock_is_his_while_he_lives() {
    let site = Site::new();
    site.leave(1, &["blocks", "a"]);
    let path = site
        .directory
        .path()
        .join("deferred")
        .join(&site.state_files()[0]);
    let child = Disk.open(&path, Open::Write).unwrap();
    assert!(child.try_lock(Lock::Exclusive).unwrap());
    let (entered, go) = (
        Arc::new(std::sync::Barrier::new(2)),
        Arc::new(std::sync::Barrier::new(2)),
    );
    let mut registry = Registry::new();
    let (enter, wait, ran) = (entered.clone(), go.clone(), site.ran.clone());
    let say = move |_: &_, word: String| {
        if word == "blocks" {
            enter.wait();
            wait.wait();
        }
        ran.lock().unwrap().push(word);
        Ok::<(), String>(())
    };
    registry.add("say", say).unwrap();
    let taker = Manager::open(&site.place(2), registry, Config::default()).unwrap();
    let other = site.manager(3);
    std::thread::scope(|threads| {
        let taking = threads.spawn(|| taker.run_orphans().unwrap());
        entered.wait();
        drop(child);
        // The lock is free now, and the taker is in the midst.
        let seen = other.run_orphans().unwrap();
        go.wait();
        assert_eq!((seen.taken, seen.elsewhere), (0, 1));
        assert_eq!(taking.join().unwrap().done, 2);
    });
    assert_eq!(site.ran(), ["blocks", "a"]);
}

#[test]
fn an_unknown_name_waits_for_who_knows_it() {
    let site = Site::new();
    let mut registry = site.registry();
    let ran = site.ran.clone();
    let rare = move |_: &_, (): ()| {
        ran.lock().unwrap().push("rare".to_owned());
        Ok::<(), String>(())
    };
    registry.add("rare", rare).unwrap();
    let manager = Manager::open(&site.place(1), registry.clone(), Config::default()).unwrap();
    let scope = manager.scope().unwrap();
    scope.defer("rare", &()).unwrap();
    scope.defer("say", "common").unwrap();
    die(scope, manager);
    site.dead.lock().unwrap().push(1);

    let report = site.manager(2).run_orphans().unwrap();
    assert_eq!((report.done, report.parked, report.taken), (1, 1, 1));
    let path = site
        .directory
        .path()
        .join("deferred")
        .join(&site.state_files()[0]);
    let before = std::fs::read(&path).unwrap();
    let report = site.manager(3).run_orphans().unwrap();
    assert_eq!((report.done, report.parked, report.taken), (0, 1, 0));
    assert_eq!(
        std::fs::read(&path).unwrap(),
        before,
        "not even looking is written down"
    );
    let listing = list(&site.place(4), &site.registry()).unwrap();
    assert_eq!(listing.files[0].parked, ["rare"]);
    let cleaned = clean(&site.place(4), &site.registry(), &Config::default()).unwrap();
    assert!(!cleaned.removed);

    let knows = Manager::open(&site.place(5), registry, Config::default()).unwrap();
    assert_eq!(knows.run_orphans().unwrap().done, 1);
    assert_eq!(site.ran(), ["common", "rare"]);
    assert!(!path.exists());
}

#[test]
fn a_spoilt_line_costs_itself_and_its_file_is_kept_apart() {
    let site = Site::new();
    site.leave(1, &["a", "b", "c"]);
    site.spoil(b"\"b\"");
    let report = site.manager(2).run_orphans().unwrap();
    assert_eq!((report.done, report.quarantined), (2, 1));
    assert_eq!(site.ran(), ["a", "c"]);
    assert_eq!(site.names("quarantine").len(), 1);
    assert_eq!(site.manager(3).run_orphans().unwrap(), Report::default());
}

#[test]
fn a_directory_removed_under_a_live_owner_is_told_and_made_anew() {
    let site = Site::new();
    let manager = site.manager(1);
    let scope = manager.scope().unwrap();
    scope.defer("say", "before").unwrap();
    std::fs::remove_dir_all(site.directory.path().join("deferred")).unwrap();
    let error = scope.defer("say", "lost").unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert_eq!(scope.end().done, 1, "the file is open still");
    let scope = manager.scope().unwrap();
    scope.defer("say", "after").unwrap();
    die(scope, manager);
    site.dead.lock().unwrap().push(1);
    assert_eq!(site.manager(2).run_orphans().unwrap().done, 1);
    assert_eq!(site.ran(), ["before", "after"]);
}

#[test]
fn clean_waits_for_nobody_and_removes_what_nobody_uses() {
    let site = Site::new();
    site.leave(1, &["a"]);
    let user = site.manager(2);
    let run = || clean(&site.place(3), &site.registry(), &Config::default()).unwrap();
    let Cleaned { report, removed } = run();
    assert_eq!((report.done, removed), (1, false));
    // Not its state file alone keeps the directory, which is made only after it is held.
    let hold = site.directory.path().join("deferred/.dir");
    let hold = Disk.open(&hold, Open::Write).unwrap();
    assert!(!hold.try_lock(Lock::Exclusive).unwrap());
    drop(hold);
    user.close().unwrap();
    assert!(run().removed);
    assert!(!site.directory.path().join("deferred").exists());
    assert!(run().removed);
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let directory = site.directory.path().join("deferred");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o770)).unwrap();
    let open = || Manager::open(&site.place(1), site.registry(), Config::default());
    assert_eq!(open().unwrap_err().kind(), Kind::Invalid);
    std::fs::remove_dir(&directory).unwrap();
    let target = TempDir::new().unwrap();
    std::os::unix::fs::symlink(target.path(), &directory).unwrap();
    assert_eq!(open().unwrap_err().kind(), Kind::Invalid);
    assert!(Disk.list(target.path(), 10).unwrap().is_empty());
}

#[test]
fn what_kills_its_process_every_time_is_given_up() {
    let site = Site::new();
    site.leave(1, &["kills", "a"]);
    let path = site
        .directory
        .path()
        .join("deferred")
        .join(&site.state_files()[0]);
    let file = Disk.open(&path, Open::Write).unwrap();
    let (mut journal, _) = Journal::resume(file, &path, Durability::Process).unwrap();
    for attempt in 1..=Config::default().attempts_max {
        let start = serde_json::json!({"start": {"of": 1, "attempt": attempt}});
        journal.append(&start).unwrap();
    }
    drop(journal);
    let report = site.manager(2).run_orphans().unwrap();
    assert_eq!((report.done, report.dead), (1, 1));
    assert_eq!(site.ran(), ["a"]);
    let dead = list(&site.place(3), &site.registry()).unwrap().dead;
    assert_eq!((dead[0].name.as_str(), dead[0].attempts), ("say", 3));
    assert_eq!(dead[0].error, "its process died in each of its 3 attempts");
}

/// Runs one built-in function, once; what it said.
fn built_in<A: serde::Serialize>(name: &str, args: &A) -> Option<String> {
    let site = Site::new();
    let world = World::new();
    let mut registry = Registry::new();
    registry.add_builtin(&world).unwrap();
    let place = Place::open(world, site.directory.path(), Network::Refuse).unwrap();
    let config = config(1, Duration::from_secs(60));
    let manager = Manager::open(&place, registry.clone(), config).unwrap();
    let scope = manager.scope().unwrap();
    scope.defer(name, args).unwrap();
    scope.end();
    let mut dead = list(&place, &registry).unwrap().dead;
    dead.pop().map(|dead| dead.error)
}

#[test]
fn remove_path_removes_what_it_is_meant_to() {
    let directory = TempDir::new().unwrap();
    let (tree, link) = (directory.path().join("tree"), directory.path().join("link"));
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    std::os::unix::fs::symlink(&tree, &link).unwrap();
    let remove = |path: &std::path::Path| {
        let path = path.to_owned();
        built_in("remove_path", &RemovePath { path })
    };
    assert_eq!(remove(&link), None);
    assert!(tree.exists() && !link.exists());
    assert_eq!(remove(&tree), None);
    assert!(!tree.exists());
    assert_eq!(remove(&tree), None, "what is gone is fine");
    for refused in ["/", "", "relative", "//", "/.", "/tmp/..", "/tmp/../etc"] {
        assert!(remove(refused.as_ref()).is_some(), "{refused:?}");
    }
}

#[test]
fn kill_process_group_kills_the_one_that_was_meant() {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new("sleep");
    let mut child = command.arg("1000").process_group(0).spawn().unwrap();
    let system = System::new(&SystemClock::new());
    let leader = system.of(child.id()).unwrap();
    let mut recycled = leader.clone();
    recycled.started += 1;
    let kill = |leader| {
        let args = KillProcessGroup {
            leader,
            grace_ms: 0,
        };
        built_in("kill_process_group", &args)
    };
    assert_eq!(kill(recycled), None);
    assert!(child.try_wait().unwrap().is_none(), "another's number");
    assert_eq!(kill(leader), None);
    assert!(!child.wait().unwrap().success());
}

#[test]
fn a_group_may_end_by_itself_in_its_grace_and_who_does_not_is_killed() {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Command, Stdio};
    let wait = "echo ready; while :; do sleep 0.01; done";
    let check = |script: &str, grace_ms, expected: (Option<i32>, Option<i32>)| {
        let mut command = Command::new("sh");
        command.args(["-c", &script.replace("WAIT", wait)]);
        let mut child = command
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        told.read_line(&mut ready).unwrap();
        let leader = System::new(&SystemClock::new()).of(child.id()).unwrap();
        let args = KillProcessGroup { leader, grace_ms };
        assert_eq!(built_in("kill_process_group", &args), None);
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), expected, "{script}");
        // Nobody of the group has it open any more.
        told.read_to_string(&mut ready).unwrap();
        ready
    };
    let long = 3_000_000;
    let polite = check("trap 'echo bye; exit 7' TERM; WAIT", long, (Some(7), None));
    assert_eq!(polite, "ready\nbye\n");
    check("trap '' TERM; WAIT", 20, (None, Some(9)));
    // The leader ends; its child does not listen.
    let child = "trap 'exit 8' TERM; (trap '' TERM; WAIT) & while :; do sleep 0.01; done";
    check(child, long, (Some(8), None));
}

#[test]
fn run_command_runs_in_its_directory_and_not_for_ever() {
    let directory = TempDir::new().unwrap();
    let run = |argv: &[&str], deadline_ms| {
        let args = RunCommand {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            directory: directory.path().to_owned(),
            deadline_ms,
        };
        built_in("run_command", &args)
    };
    assert_eq!(run(&["touch", "made"], 60_000), None);
    assert!(directory.path().join("made").exists());
    assert!(run(&["false"], 60_000).unwrap().contains("ended with"));
    assert!(run(&["sleep", "1000"], 20).unwrap().contains("too long"));
    assert!(run(&[], 60_000).is_some());
}
