//! `dir`: what is kept in a directory, as an operator sees and mends it.

use std::process::Child;

use serde_json::{Value, json};

use crate::make::{names, signal, until};
use crate::program::{Program, Run, finished};

/// A program that runs under the lock of the home, until it is ended or the file `go` is there.
fn holder(program: &Program, before: &[&str]) -> Child {
    let script = "echo $TOWPATH_FENCE > fence; touch held; while [ -e held ] && [ ! -e go ]; do sleep 0.01; done; echo first >> log";
    let args = [
        &["dir", "lock", "run", "."],
        before,
        &["--", "sh", "-c", script],
    ]
    .concat();
    let child = program.spawn(&args);
    until("it did not begin", || program.home().join("held").exists());
    child
}

#[test]
fn one_command_at_a_time_runs_under_the_lock() {
    let program = Program::new();
    assert_eq!(program.run(&["dir", "lock", "show", "."]).code, 3);
    let first = holder(&program, &[]);
    let shown = program.json(&["dir", "lock", "show", "."]);
    assert_eq!(shown["holder"]["owner"]["pid"], json!(first.id()));
    assert_eq!(shown["holder"]["life"], json!("alive"));
    let fence = std::fs::read_to_string(program.home().join("fence")).unwrap();
    assert_eq!(shown["holder"]["fence"].to_string(), fence.trim());

    let second = [
        "dir",
        "lock",
        "run",
        ".",
        "--",
        "sh",
        "-c",
        "echo second >> log",
    ];
    let run = program.run(&second);
    assert_eq!(run.code, 75, "{run:?}");
    let by = format!("the lock of . is held by process {} on ", first.id());
    assert!(run.stderr.contains(&by), "{run:?}");
    let waiting = [&second[..4], &["--wait=1ms"], &second[4..]].concat();
    assert_eq!(program.run(&waiting).code, 4);
    let waiting = [&second[..4], &["--wait"], &second[4..]].concat();
    let waiter = program.spawn(&waiting);
    std::fs::write(program.home().join("go"), "").unwrap();
    for child in [first, waiter] {
        let run = finished(child.wait_with_output().unwrap());
        assert_eq!(run.code, 0, "{run:?}");
    }
    let log = std::fs::read_to_string(program.home().join("log")).unwrap();
    assert_eq!(log, "first\nsecond\n");
    assert!(!names(&program.home()).contains(&".lock".to_owned()));
}

#[test]
fn the_lock_ends_with_the_command_whatever_becomes_of_it() {
    let program = Program::new();
    let under = |argv: &[&str]| program.run(&[&["dir", "lock", "run", ".", "--"], argv].concat());
    assert_eq!(under(&["sh", "-c", "exit 9"]).code, 9);
    assert_eq!(under(&["sh", "-c", "kill -KILL $$"]).code, 137);
    assert_eq!(under(&["no-such-program-here"]).code, 127);
    let child = holder(&program, &[]);
    signal(&child, "TERM");
    assert_eq!(finished(child.wait_with_output().unwrap()).code, 143);
    assert_eq!(under(&["true"]).code, 0);

    std::fs::remove_file(program.home().join("held")).unwrap();
    let mut child = holder(&program, &[]);
    signal(&child, "KILL");
    child.wait().unwrap();
    let shown = program.ok(&["dir", "lock", "show", "."]);
    assert!(
        shown.contains("dead: the lock is free to be taken"),
        "{shown}"
    );
    assert_eq!(under(&["true"]).code, 0, "it is free at once");
}

#[test]
fn a_lock_that_is_taken_away_stops_the_command() {
    let program = Program::new();
    let release = |more: &[&str]| program.run(&[&["dir", "lock", "release", "."], more].concat());
    assert_eq!(release(&[]).code, 3);
    let child = holder(&program, &["--timeout", "1s"]);
    let run = release(&[]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("which lives; nothing was released") && run.stderr.contains("--yes"),
        "{run:?}"
    );
    let run = release(&["--yes"]);
    assert_eq!(run.code, 0, "{run:?}");
    let told = format!("the lock of . is free; process {} on ", child.id());
    assert!(run.stdout.starts_with(&told), "{run:?}");
    let run = finished(child.wait_with_output().unwrap());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("the lock was lost"), "{run:?}");
    assert!(!program.home().join("log").exists());
}

/// A maker of `file` that goes on until it is ended.
fn maker(program: &Program, file: &str) -> Child {
    let args = [
        "make",
        "--out",
        file,
        "--",
        "sh",
        "-c",
        "touch begun; exec sleep 1000",
    ];
    let child = program.spawn(&args);
    until("it did not begin", || program.home().join("begun").exists());
    child
}

#[test]
fn claims_are_listed_and_cleared() {
    let program = Program::new();
    assert_eq!(
        program.ok(&["dir", "intents", "list", "."]),
        "no file is claimed\n"
    );
    let odd = "a\x1b[2J\nb";
    let maker = maker(&program, odd);
    std::fs::write(program.home().join(".spoilt.intent.json"), "[[[").unwrap();
    let listed = program.ok(&["dir", "intents", "list", "."]);
    assert!(
        listed.contains("a\\u{1b}[2J\\nb") && !listed.contains('\x1b'),
        "{listed}"
    );
    assert!(
        listed.contains(&format!("process {} on ", maker.id())),
        "{listed}"
    );
    assert!(listed.contains("(cannot be read)"), "{listed}");
    let view = program.json(&["dir", "intents", "list", "."]);
    let claims = view["claims"].as_array().unwrap();
    assert_eq!(
        (&claims[0]["file"], &claims[0]["life"]),
        (&json!(odd), &json!("alive"))
    );
    assert_eq!(
        (&claims[1]["readable"], &view["cut"]),
        (&json!(false), &json!(false))
    );

    let clear = |more: &[&str]| program.run(&[&["dir", "intents", "clear", "."], more].concat());
    assert_eq!(clear(&["none"]).code, 3);
    assert_eq!(clear(&[]).code, 2);
    let run = clear(&["--all"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("--yes; nothing was cleared") && !run.stderr.contains('\x1b'),
        "{run:?}"
    );
    let run = clear(&[odd, "--yes"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "cleared 1 claim\n"),
        "{run:?}"
    );
    assert_eq!(
        clear(&["--all", "--yes", "--json"]).stdout,
        "{\"cleared\":1}\n"
    );
    assert_eq!(clear(&["--all"]).code, 0);
    signal(&maker, "TERM");
    assert_eq!(finished(maker.wait_with_output().unwrap()).code, 143);
}

#[test]
fn cooldowns_are_listed_and_cleared() {
    let program = Program::new();
    assert_eq!(
        program.ok(&["dir", "cooldowns", "list", "."]),
        "no file has failed\n"
    );
    let make = [
        "make",
        "--out",
        "a",
        "--cooldown",
        "1h,0,1h",
        "--",
        "sh",
        "-c",
        "test -e ok && touch $TOWPATH_OUT",
    ];
    assert_eq!(program.run(&make).code, 1);
    std::fs::write(program.home().join(".b.cooldown.json"), vec![b'{'; 1 << 17]).unwrap();
    let view = program.json(&["dir", "cooldowns", "list", ".", "--cooldown", "1h,0,1h"]);
    let cooling = view["cooldowns"].as_array().unwrap();
    assert_eq!(
        (&cooling[0]["file"], &cooling[0]["failures"]),
        (&json!("a"), &json!(1))
    );
    assert!(
        cooling[0]["remaining_ms"].as_u64().unwrap() > 60_000,
        "{view}"
    );
    assert_eq!(
        (&cooling[1]["file"], &cooling[1]["failures"]),
        (&json!("b"), &Value::Null)
    );
    let listed = program.ok(&["dir", "cooldowns", "list", ".", "--cooldown", "0,0,0"]);
    assert!(
        listed.contains("may begin") && listed.contains("(cannot be read)"),
        "{listed}"
    );

    std::fs::write(program.home().join("ok"), "").unwrap();
    assert_eq!(program.run(&make).code, 75);
    let clear = ["dir", "cooldowns", "clear", ".", "a"];
    assert_eq!(program.ok(&clear), "cleared 1 cooldown\n");
    assert_eq!(program.run(&clear).code, 3);
    program.ok(&make);
}

/// Leaves a promise behind, as a run that was killed does, and one that cannot be kept.
fn killed(program: &Program, failing: &str) {
    let script = "\"$T\" defer -- sh -c 'echo kept >> log' && \"$T\" defer -- sh -c \"$F\" && touch begun && exec sleep 1000";
    let mut command = program.command(&[
        "with-cleanup",
        "--state-dir",
        "state",
        "--",
        "sh",
        "-c",
        script,
    ]);
    command
        .env("T", env!("CARGO_BIN_EXE_towpath"))
        .env("F", failing)
        .env("TMPDIR", program.home());
    let begun = program.home().join("begun");
    let mut child = command.spawn().unwrap();
    until("it did not begin", || begun.exists());
    signal(&child, "KILL");
    child.wait().unwrap();
    std::fs::remove_file(begun).unwrap();
}

/// `dir deferred` on the directory `state`.
fn deferred(program: &Program, verb: &str, more: &[&str]) -> Run {
    program.run(&[&["dir", "deferred", verb, "state"], more].concat())
}

fn view(program: &Program, verb: &str) -> Value {
    let run = deferred(program, verb, &["--json"]);
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// Under which id something was given up.
fn given_up(program: &Program) -> String {
    let listed = view(program, "list");
    listed["dead"][0]["id"]
        .as_str()
        .expect("something was")
        .to_owned()
}

#[test]
fn where_nobody_has_promised_anything_a_look_makes_nothing() {
    let program = Program::new();
    assert_eq!(
        deferred(&program, "list", &[]).code,
        2,
        "there is no such directory"
    );
    let listed = program.ok(&["dir", "deferred", "list"]);
    assert_eq!(listed, "nothing is promised\n");
    let ran = program.ok(&["dir", "deferred", "run"]);
    assert_eq!(ran, "nothing was done\n");
    let cleaned = program.json(&["dir", "deferred", "clean"]);
    assert_eq!(cleaned["removed"], json!(true));
    assert!(names(&program.home()).is_empty());
}

#[test]
fn promises_of_the_dead_are_listed_and_kept() {
    let program = Program::new();
    killed(&program, "printf 'no\\033[2J'; exit 3");
    let listed = view(&program, "list");
    let file = &listed["files"][0];
    // The socket's directory is promised to go, too.
    assert_eq!(
        (&file["life"], &file["pending"]),
        (&json!("dead"), &json!(3))
    );
    let run = deferred(&program, "run", &[]);
    // What clean-up prints does not get between what we print.
    let kept = "kept 2 promises, gave up 1\n";
    assert_eq!((run.code, run.stdout.as_str()), (1, kept), "{run:?}");
    assert!(run.stderr.contains("clean-up failed: sh -c"), "{run:?}");
    let log = std::fs::read_to_string(program.home().join("log")).unwrap();
    assert_eq!(log, "kept\n");
    let listed = deferred(&program, "list", &[]).stdout;
    let told =
        listed.contains(&given_up(&program)) && listed.contains("sh ended with exit status: 3");
    assert!(told && !listed.contains('\x1b'), "{listed}");
    let removed = &view(&program, "clean")["removed"];
    assert_eq!(removed, &json!(false), "there is something to look at");
}

#[test]
fn what_was_given_up_is_tried_again_or_forgotten() {
    let program = Program::new();
    killed(&program, "test -e ok");
    assert_eq!(deferred(&program, "run", &["--json"]).code, 1);
    assert_eq!(deferred(&program, "requeue", &["func-none"]).code, 3);
    let first = given_up(&program);
    assert_eq!(
        deferred(&program, "requeue", &[&first]).code,
        1,
        "it fails again"
    );
    let second = given_up(&program);
    assert_ne!(first, second);
    std::fs::write(program.home().join("ok"), "").unwrap();
    let run = deferred(&program, "requeue", &[&second]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "kept 1 promise\n"),
        "{run:?}"
    );
    assert_eq!(view(&program, "list")["dead"], json!([]));

    killed(&program, "exit 1");
    assert_eq!(deferred(&program, "run", &[]).code, 1);
    let third = given_up(&program);
    assert_eq!(
        deferred(&program, "drop", &[&third]).stdout,
        "forgot 1 promise\n"
    );
    assert_eq!(deferred(&program, "drop", &[&third]).code, 3);
    assert_eq!(view(&program, "clean")["removed"], json!(true));
    assert!(names(&program.home().join("state")).is_empty());
    assert_eq!(
        deferred(&program, "list", &[]).stdout,
        "nothing is promised\n"
    );
}

#[test]
fn promises_of_a_program_that_lives_are_left_to_it() {
    let program = Program::new();
    let script = "\"$T\" defer -- sh -c 'echo kept >> log'; \"$T\" dir deferred run state; \
                  \"$T\" dir deferred clean state; cat log; \"$T\" dir deferred list state --json";
    let mut command = program.command(&[
        "with-cleanup",
        "--state-dir",
        "state",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let run = finished(
        command
            .env("T", env!("CARGO_BIN_EXE_towpath"))
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 0, "{run:?}");
    let stays = "nothing was done\nnothing was done; the directory stays: somebody uses it, or something is left in it\n";
    let view = run.stdout.strip_prefix(stays).expect("nothing is run");
    let view: Value = serde_json::from_str(view).unwrap();
    assert_eq!(
        (&view["files"][0]["life"], &view["files"][0]["pending"]),
        (&json!("alive"), &json!(2))
    );
    assert_eq!(
        std::fs::read_to_string(program.home().join("log")).unwrap(),
        "kept\n"
    );
}

#[test]
fn every_command_on_files_takes_the_same_word_for_network_file_systems() {
    let program = Program::new();
    let allow = ["--network", "allow"];
    for (before, after, code) in [
        (
            &["make", "--out", "a"][..],
            &["--", "touch", "{out}"][..],
            0,
        ),
        (&["with-cleanup"], &["--", "true"], 0),
        (&["dir", "lock", "run", "."], &["--", "true"], 0),
        (&["dir", "lock", "show", "."], &[], 3),
        (&["dir", "lock", "release", "."], &[], 3),
        (&["dir", "intents", "list", "."], &[], 0),
        (&["dir", "intents", "clear", ".", "--all"], &[], 0),
        (&["dir", "cooldowns", "list", "."], &[], 0),
        (&["dir", "cooldowns", "clear", ".", "--all"], &[], 0),
        (&["dir", "deferred", "list", "towpath"], &[], 0),
        (&["dir", "deferred", "run", "towpath"], &[], 0),
        (&["dir", "deferred", "clean", "towpath"], &[], 0),
        (
            &["dir", "deferred", "requeue", "towpath", "func0-1"],
            &[],
            3,
        ),
        (&["dir", "deferred", "drop", "towpath", "func0-1"], &[], 3),
    ] {
        let run = program.run(&[before, &allow, after].concat());
        assert_eq!(run.code, code, "{before:?}: {run:?}");
    }
    let run = program.run(&["make", "--out", "a", "--network", "maybe", "--", "true"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(
        names(&program.home()),
        ["a", "towpath"],
        "the test of locks leaves nothing"
    );
}
