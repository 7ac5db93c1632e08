//! `make`: files that are made once.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::program::{Program, Run, finished};

/// Waits for a condition, as long as it may take on a machine that is busy.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &pid])
        .status();
    assert!(sent.expect("kill starts").success());
}

/// Waits for the end of a process that is not ours.
pub(crate) fn gone(pid: &str) {
    let stat = format!("/proc/{}/stat", pid.trim());
    let is_gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    until("the process goes on", is_gone);
}

fn sh<'a>(before: &[&'a str], script: &'a str) -> Vec<&'a str> {
    [&["make"], before, &["--", "sh", "-c", script]].concat()
}

fn ended(child: Child) -> Run {
    finished(child.wait_with_output().expect("it ends"))
}

/// The names in a directory, but for the guard of its lock.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != ".towpath.guard").collect();
    names.sort();
    names
}

fn read(program: &Program, name: &str) -> String {
    std::fs::read_to_string(program.home().join(name)).unwrap_or_default()
}

/// Counts its runs, and writes in two steps.
const COUNTED: &str = "echo run >> runs; printf half > \"$TOWPATH_OUT\"; sleep 0.2; printf ' whole' >> \"$TOWPATH_OUT\"";

#[test]
fn of_ten_contenders_one_runs_the_command_and_all_see_the_whole_file() {
    let program = Program::new();
    let args = sh(&["--out", "a.txt", "--wait"], COUNTED);
    let children: Vec<_> = (0..10).map(|_| program.spawn(&args)).collect();
    let mut made = 0;
    for child in children {
        let run = ended(child);
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(read(&program, "a.txt"), "half whole");
        made += usize::from(run.stdout.starts_with("made a.txt in "));
        assert!(run.stdout.contains("made"), "{run:?}");
    }
    assert_eq!((made, read(&program, "runs").as_str()), (1, "run\n"));
    assert_eq!(names(&program.home()), ["a.txt", "runs"]);
}

#[test]
fn what_is_there_is_made_again_only_when_asked() {
    let program = Program::new();
    let copy = ["--", "cp", "new", "{out}"];
    std::fs::write(program.home().join("new"), "1").unwrap();
    let make = |before: &[&str]| program.ok(&[&["make", "--out", "a"], before, &copy].concat());
    assert!(make(&[]).starts_with("made a in "));
    std::fs::write(program.home().join("new"), "2").unwrap();
    assert_eq!(make(&[]), "already made: a\n");
    assert_eq!(read(&program, "a"), "1");
    make(&["--again"]);
    assert_eq!(read(&program, "a"), "2");
    assert!(make(&["--json"]).starts_with(r#"{"outcome":"already_made","files":["a"]}"#));
}

#[test]
fn two_files_are_published_together_or_not_at_all() {
    let program = Program::new();
    std::fs::create_dir(program.home().join("d")).unwrap();
    let outs = ["--out", "d/one.txt", "d/two.tar.gz"];
    let half = sh(&outs, "echo 1 > $TOWPATH_OUT_1");
    let run = program.run(&half);
    assert_eq!(run.code, 1, "{run:?}");
    let told = "did not make d/two.tar.gz: it is to write to {out2} in its arguments, or to $TOWPATH_OUT_2";
    assert!(run.stderr.contains(told), "{run:?}");
    assert!(names(&program.home().join("d")).is_empty());

    let script =
        "case $2 in *.tar.gz) ;; *) exit 9;; esac; cd /; echo 1 > $1; echo $TOWPATH_OUT_2 > $2";
    let before = [&outs[..], &["--json"]].concat();
    let whole = [&sh(&before, script)[..], &["sh", "{out}", "{out2}"]].concat();
    let made: serde_json::Value = serde_json::from_str(&program.ok(&whole)).unwrap();
    assert_eq!(made["outcome"], json!("made"));
    assert_eq!(made["files"], json!(["d/one.txt", "d/two.tar.gz"]));
    assert_eq!(read(&program, "d/one.txt"), "1\n");
    assert!(read(&program, "d/two.tar.gz").contains("/d/.towpath-part-"));
}

#[test]
fn a_command_that_writes_nothing_is_told_where_to_write() {
    let program = Program::new();
    let run = program.run(&["make", "--out", "a", "--", "true"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr
            .contains("did not make a: it is to write to {out}"),
        "{run:?}"
    );
    let run = program.run(&["make", "--out", "a", "--", "mkdir", "{out}"]);
    assert_eq!(run.code, 1, "a directory is no file: {run:?}");
    let run = program.run(&["make", "--out", "a", "--", "no-such-program-here"]);
    assert_eq!(run.code, 127, "{run:?}");
    assert!(
        run.stderr
            .contains("\"no-such-program-here\" was not found in PATH"),
        "{run:?}"
    );
}

#[test]
fn a_failure_is_passed_on_and_cools_down() {
    let program = Program::new();
    let outs = ["--out", "a", "--cooldown", "1h,0,1h"];
    let run = program.run(&sh(&outs, "echo half > $TOWPATH_OUT; exit 7"));
    assert_eq!(run.code, 7, "{run:?}");
    assert!(
        run.stderr
            .contains("exit code 7; a was not made; the next attempt may begin in 1h"),
        "{run:?}"
    );
    assert_eq!(names(&program.home()), [".a.cooldown.json"]);
    let run = program.run(&sh(&outs, "echo > $TOWPATH_OUT"));
    assert_eq!(run.code, 75, "{run:?}");
    assert!(run.stderr.contains("a cools down"), "{run:?}");
    let run = program.run(&sh(&[&outs[..], &["--json", "--wait=1ms"]].concat(), ""));
    assert_eq!(run.code, 4, "{run:?}");
    let view: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&view["outcome"], &view["reason"]),
        (&json!("refused"), &json!("cooling"))
    );
    assert!(view["remaining_ms"].as_u64().unwrap() > 1_000_000, "{view}");
    // Who does not say that failures cool down does not ask whether they do; his success ends it for all.
    program.ok(&sh(&["--out", "a"], "echo > $TOWPATH_OUT"));
    assert_eq!(names(&program.home()), ["a"]);
}

#[test]
fn who_waits_takes_over_after_a_failure() {
    let program = Program::new();
    let script = "if mkdir first 2>/dev/null; then touch begun; while [ ! -e go ]; do sleep 0.01; done; exit 1; fi; \
                  echo second > $TOWPATH_OUT";
    let outs = ["--out", "a", "--cooldown", "50ms,0,1h"];
    let first = program.spawn(&sh(&outs, script));
    until("it did not begin", || program.home().join("begun").exists());
    let second = program.spawn(&sh(&[&outs[..], &["--wait"]].concat(), script));
    std::fs::write(program.home().join("go"), "").unwrap();
    assert_eq!(ended(first).code, 1);
    let run = ended(second);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(read(&program, "a"), "second\n");
}

/// A maker that has begun and goes on until it is ended.
fn endless(program: &Program, before: &[&str]) -> Child {
    let script = "echo half > $TOWPATH_OUT; echo $$ > pid; mv pid begun; exec sleep 1000";
    let child = program.spawn(&sh(before, script));
    until("it did not begin", || program.home().join("begun").exists());
    child
}

#[test]
fn another_is_told_who_makes_the_file_and_takes_over_at_once_when_he_is_killed() {
    let program = Program::new();
    let mut maker = endless(&program, &["--out", "a"]);
    let run = program.run(&sh(&["--out", "a"], "echo > $TOWPATH_OUT"));
    assert_eq!(run.code, 75, "{run:?}");
    let told = format!("a is being made by process {} on ", maker.id());
    assert!(run.stderr.contains(&told), "{run:?}");
    assert!(!program.home().join("a").exists());
    signal(&maker, "KILL");
    maker.wait().unwrap();
    // Its command does not go on either.
    gone(&read(&program, "begun"));
    program.ok(&sh(&["--out", "a"], "echo new > $TOWPATH_OUT"));
    assert_eq!(read(&program, "a"), "new\n");
    assert_eq!(names(&program.home()), ["a", "begun"]);
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_has_started() {
    let program = Program::new();
    let script = "sleep 1000 & echo $! > pid; echo half > $TOWPATH_OUT; wait";
    let run = program.run(&sh(&["--out", "a", "--timeout", "500ms"], script));
    assert_eq!(run.code, 124, "{run:?}");
    assert!(run.stderr.contains("took longer than --timeout"), "{run:?}");
    gone(&read(&program, "pid"));
    assert_eq!(names(&program.home()), ["pid"]);
}

#[test]
fn the_command_reads_our_input_and_has_no_terminal() {
    let program = Program::new();
    let script = "read -r pid name state parent group session rest < /proc/$$/stat; test $session = $$ || exit 9; \
                  cat > $TOWPATH_OUT; ! (: > /dev/tty)";
    let run = program.run_with_input(&sh(&["--out", "a"], script), "input");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(read(&program, "a"), "input");
}

#[test]
fn an_interrupt_leaves_nothing() {
    for (sent, code) in [("INT", 130), ("TERM", 143)] {
        let program = Program::new();
        let maker = endless(&program, &["--out", "a"]);
        signal(&maker, sent);
        let run = ended(maker);
        assert_eq!(run.code, code, "{run:?}");
        assert!(
            run.stderr.contains(&format!("ended by SIG{sent}")),
            "{run:?}"
        );
        assert_eq!(names(&program.home()), ["begun"]);
    }
    // Who waits for another, too.
    let program = Program::new();
    let maker = endless(&program, &["--out", "a"]);
    let waiter = program.spawn(&sh(&["--out", "a", "--wait"], "true"));
    // It is known to wait only by what it does at the signal, whenever that comes.
    let ignores = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", waiter.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
            & (1 << 14)
            != 0
    };
    until("it does not listen", ignores);
    signal(&waiter, "TERM");
    let run = ended(waiter);
    assert_eq!(run.code, 143, "{run:?}");
    signal(&maker, "TERM");
    assert_eq!(ended(maker).code, 143);
}

#[test]
fn who_cannot_publish_because_the_directory_is_locked_can_be_ended() {
    let program = Program::new();
    let script = "echo new > $TOWPATH_OUT; echo $$ > pid; mv pid begun; while [ -e begun ] && [ ! -e go ]; do sleep 0.01; done";
    let mut maker = program.spawn(&sh(&["--out", "a"], script));
    until("it did not begin", || program.home().join("begun").exists());
    let pid = read(&program, "begun");
    let hold = [
        "dir",
        "lock",
        "run",
        ".",
        "--",
        "sh",
        "-c",
        "touch held; exec sleep 1000",
    ];
    let holder = program.spawn(&hold);
    until("it is not locked", || program.home().join("held").exists());
    let busy = program.run(&sh(&["--out", "b"], "true"));
    assert_eq!(busy.code, 75, "{busy:?}");
    assert!(
        busy.stderr.contains("is held; see dir lock show"),
        "{busy:?}"
    );
    std::fs::write(program.home().join("go"), "").unwrap();
    gone(&pid);
    let ended_by_signals = std::cell::RefCell::new(&mut maker);
    until("it does not end", || {
        let mut maker = ended_by_signals.borrow_mut();
        signal(&maker, "TERM");
        maker.try_wait().unwrap().is_some()
    });
    let run = ended(maker);
    assert_eq!(run.code, 143, "{run:?}");
    assert!(
        run.stderr.contains("one more signal ends this at once"),
        "{run:?}"
    );
    assert!(!program.home().join("a").exists());
    signal(&holder, "TERM");
    assert_eq!(ended(holder).code, 143);
    program.ok(&sh(&["--out", "a"], "echo newer > $TOWPATH_OUT"));
    assert_eq!(read(&program, "a"), "newer\n");
}

#[test]
fn a_claim_that_was_taken_away_ends_the_command() {
    let program = Program::new();
    let maker = endless(&program, &["--out", "a", "--claim", "1s"]);
    std::fs::remove_file(program.home().join(".a.intent.json")).unwrap();
    let run = ended(maker);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("the claim on a was lost"), "{run:?}");
    assert_eq!(names(&program.home()), ["begun"]);
}

#[test]
fn what_is_wrong_is_said_before_anything_is_claimed() {
    let program = Program::new();
    std::fs::create_dir(program.home().join("d")).unwrap();
    for (args, told) in [
        (
            &["make", "--out", "a", "d/b", "--", "true"][..],
            "a and d/b are in two directories",
        ),
        (&["make", "--out", "none/a", "--", "true"], "mkdir -p none"),
        (
            &["make", "--out", "a", "--", "cp", "{out2}"],
            "there is no {out2}",
        ),
        (
            &["make", "--out", "a", "--cooldown", "1s", "--", "true"],
            "60s,60s,1h",
        ),
        (
            &["make", "--out", "a", "--claim", "1ms", "--", "true"],
            "at least 1s",
        ),
        (&["make", "--out", "a"], "COMMAND"),
        (&["make", "--", "true"], "--out"),
    ] {
        let run = program.run(args);
        assert_eq!(run.code, 2, "{args:?}: {run:?}");
        assert!(run.stderr.contains(told), "{args:?}: {run:?}");
    }
    assert_eq!(names(&program.home()), ["d"]);
}

#[test]
fn hostile_names_are_escaped_and_paths_that_are_no_text_are_made() {
    use std::os::unix::ffi::OsStrExt as _;
    let program = Program::new();
    let run = program.run(&["make", "--out", "a\x1b[2J\n", "--", "true"]);
    assert!(
        run.stderr.contains("a\\u{1b}[2J\\n") && !run.stderr.contains('\x1b'),
        "{run:?}"
    );
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe.txt");
    let mut command = program.command(&["make", "--out"]);
    let output = command
        .arg(odd)
        .args(["--json", "--", "cp", "/dev/null", "{out}"])
        .output();
    assert!(output.unwrap().status.success());
    assert!(program.home().join(odd).exists());
}
