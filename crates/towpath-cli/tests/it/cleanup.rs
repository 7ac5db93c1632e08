//! `with-cleanup` and `defer`: what is promised is kept, whatever becomes of the command.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::make::{gone, names, signal, until};
use crate::program::{Program, Run, finished};

/// `with-cleanup` around a script that finds the program as `$T`.
fn around(program: &Program, before: &[&str], script: &str) -> Command {
    let args = [&["with-cleanup"], before, &["--", "sh", "-c", script]].concat();
    let mut command = program.command(&args);
    command.env("T", env!("CARGO_BIN_EXE_towpath"));
    command.env("TMPDIR", temporary(program));
    command
}

/// Where the sockets are.
fn temporary(program: &Program) -> PathBuf {
    let directory = program.home().join("tmp");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

fn run(program: &Program, before: &[&str], script: &str) -> Run {
    finished(around(program, before, script).output().unwrap())
}

fn log(program: &Program) -> String {
    std::fs::read_to_string(program.home().join("log")).unwrap_or_default()
}

/// Three promises, one in another directory, and the work.
const WORK: &str = "\"$T\" defer -- sh -c 'echo one >> log' && \"$T\" defer --remove scratch && mkdir scratch && \
                    touch scratch/x && mkdir -p sub && (cd sub && \"$T\" defer -- sh -c 'pwd >> ../log') && echo work >> log";

fn kept(program: &Program) -> String {
    let sub = program.home().canonicalize().unwrap().join("sub");
    format!("work\none\n{}\n", sub.display())
}

#[test]
fn promises_are_kept_in_order_after_a_success_and_after_a_failure() {
    for (ending, code) in [("", 0), ("; exit 3", 3), ("; kill -KILL $$", 137)] {
        let program = Program::new();
        let run = run(&program, &[], &format!("{WORK}{ending}"));
        assert_eq!(run.code, code, "{run:?}");
        assert_eq!(log(&program), kept(&program), "{run:?}");
        assert!(!program.home().join("scratch").exists());
        assert!(names(&temporary(&program)).is_empty(), "the socket is gone");
        assert_eq!(run.stderr, "");
    }
    let program = Program::new();
    let run = run(&program, &["--order", "last-in"], WORK);
    assert_eq!(run.code, 0, "{run:?}");
    let (told, expected) = (log(&program), kept(&program));
    let mut expected: Vec<_> = expected.lines().collect();
    expected[1..].reverse();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_signal_is_passed_on_and_the_promises_are_kept_then() {
    for (sent, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let program = Program::new();
        let script = format!(
            "trap 'echo asked >> log; exit 0' {sent}; {WORK}; touch begun; while [ -e begun ]; do sleep 0.01; done"
        );
        let child = around(&program, &[], &script).spawn().unwrap();
        until("it did not begin", || program.home().join("begun").exists());
        signal(&child, sent);
        let run = finished(child.wait_with_output().unwrap());
        assert_eq!(run.code, code, "{run:?}");
        let expected = kept(&program).replace("work\n", "work\nasked\n");
        assert_eq!(log(&program), expected, "{run:?}");
    }
}

/// Killed in the midst of its work, as nothing can be that listens.
fn killed(program: &Program) {
    let script = format!("{WORK}; echo $$ > pid; touch begun; exec sleep 1000");
    let mut child = around(program, &[], &script).spawn().unwrap();
    until("it did not begin", || program.home().join("begun").exists());
    signal(&child, "KILL");
    child.wait().unwrap();
    // Its command does not go on either.
    gone(&std::fs::read_to_string(program.home().join("pid")).unwrap());
    assert_eq!(log(program), "work\n");
}

#[test]
fn what_was_killed_is_cleaned_up_before_the_next_begins() {
    let program = Program::new();
    killed(&program);
    let run = run(&program, &[], "echo next >> log; test ! -e scratch");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(log(&program), kept(&program) + "next\n", "{run:?}");
    assert!(
        run.stderr
            .contains("the promises of 1 run that had been killed"),
        "{run:?}"
    );
    assert!(names(&temporary(&program)).is_empty(), "its socket too");
}

#[test]
fn clean_up_that_fails_is_told_and_counts_only_after_a_success() {
    let failing = "\"$T\" defer -- sh -c 'echo again >> log; exit 5'; \"$T\" defer -- sh -c 'echo other >> log'";
    for (ending, code) in [("", 70), ("; exit 4", 4)] {
        let program = Program::new();
        let run = run(&program, &[], &format!("{failing}{ending}"));
        assert_eq!(run.code, code, "{run:?}");
        assert!(
            run.stderr
                .contains("clean-up failed: sh -c 'echo again >> log; exit 5': sh ended with"),
            "{run:?}"
        );
        assert_eq!(log(&program).matches("again").count(), 3);
        assert_eq!(log(&program).matches("other").count(), 1);
    }
    let program = Program::new();
    let run = run(
        &program,
        &["--deadline", "100ms"],
        "\"$T\" defer -- sleep 1000",
    );
    assert_eq!(run.code, 70, "{run:?}");
    let hostile = "\"$T\" defer -- \"$(printf 'no\\033[2Jprogram')\"";
    let run = self::run(&Program::new(), &[], hostile);
    assert!(
        run.stderr.contains("no\\u{1b}[2Jprogram") && !run.stderr.contains('\x1b'),
        "{run:?}"
    );
}

#[test]
fn a_second_signal_during_the_clean_up_leaves_the_rest_to_the_next_run() {
    let program = Program::new();
    let long = "touch cleaning; while [ -e cleaning ] && [ ! -e go ]; do sleep 0.01; done; echo first >> log";
    let script =
        format!("\"$T\" defer -- sh -c '{long}' && \"$T\" defer -- sh -c 'echo second >> log'");
    let mut child = around(&program, &[], &script).spawn().unwrap();
    until("it does not clean up", || {
        program.home().join("cleaning").exists()
    });
    let both = std::cell::RefCell::new(&mut child);
    until("it does not end", || {
        let mut child = both.borrow_mut();
        signal(&child, "TERM");
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(log(&program), "");
    let run = finished(child.wait_with_output().unwrap());
    assert_eq!(run.code, 143, "{run:?}");
    let told = "clean-up is under way; a second signal leaves the rest to the next run";
    assert!(run.stderr.contains(told), "{run:?}");
    // What was under way was killed with the program, and is done again.
    std::fs::write(program.home().join("go"), "").unwrap();
    let run = self::run(&program, &[], "true");
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(log(&program), "first\nsecond\n", "{run:?}");
}

#[test]
fn a_signal_before_the_command_is_begun_has_it_not_begun() {
    let program = Program::new();
    let long = "touch cleaning; while [ ! -e go ] && [ -e begun ]; do sleep 0.01; done; echo cleaned >> log";
    let script = format!("\"$T\" defer -- sh -c '{long}' && touch begun; exec sleep 1000");
    let mut child = around(&program, &[], &script).spawn().unwrap();
    until("it did not begin", || program.home().join("begun").exists());
    signal(&child, "KILL");
    child.wait().unwrap();
    let said = program.home().join("said");
    let mut command = around(&program, &[], "echo next >> log");
    command.stderr(std::fs::File::create(&said).unwrap());
    let mut child = command.spawn().unwrap();
    until("it does not clean up", || {
        program.home().join("cleaning").exists()
    });
    signal(&child, "TERM");
    let told = || std::fs::read_to_string(&said).unwrap();
    until("it did not see the signal", || {
        told().contains("clean-up is under way")
    });
    std::fs::write(program.home().join("go"), "").unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{}", told());
    assert_eq!(log(&program), "cleaned\n", "{}", told());
}

#[test]
fn outside_of_with_cleanup_nothing_is_promised() {
    let program = Program::new();
    let run = program.run(&["defer", "--", "true"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr.contains("within with-cleanup")
            && run.stderr.contains("with-cleanup -- COMMAND"),
        "{run:?}"
    );
    let gone = program.home().join("gone");
    let mut command = program.command(&["defer", "--", "true"]);
    let run = finished(command.env("TOWPATH_CLEANUP", gone).output().unwrap());
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.stderr.contains("nothing was promised"), "{run:?}");
    // One that hears it and ends before it answers.
    let socket = program.home().join("deaf");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let hearing = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line).unwrap();
        line
    });
    let mut command = program.command(&["defer", "--", "true"]);
    let run = finished(command.env("TOWPATH_CLEANUP", socket).output().unwrap());
    assert!(hearing.join().unwrap().ends_with("}\n"));
    assert_eq!(run.code, 5, "{run:?}");
    let told = "it is not known whether that was promised";
    assert!(run.stderr.contains(told), "{run:?}");
    for wrong in [&["defer"][..], &["defer", "--remove", "a", "--", "true"]] {
        assert_eq!(program.run(wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn what_talks_nonsense_to_the_socket_is_told_so_and_does_no_harm() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::MetadataExt as _;
    let program = Program::new();
    let script = "echo $TOWPATH_CLEANUP > path; while [ -e path ] && [ ! -e go ]; do sleep 0.01; done; \"$T\" defer --json -- true > said";
    let child = around(&program, &[], script).spawn().unwrap();
    let path = program.home().join("path");
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    until("it did not begin", || read().ends_with('\n'));
    let socket = PathBuf::from(read().trim_end());
    let mode = socket.parent().unwrap().metadata().unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    let say = |bytes: &[u8]| {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        // It may stop reading before the end.
        let _refused = stream.write_all(bytes);
        let _refused = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer);
        answer
    };
    assert!(say(b"nonsense\n").contains("not understood"));
    assert!(say(b"{\"kill_process_group\":{}}\n").contains("not understood"));
    assert_eq!(say(b"no end of line"), "");
    assert_eq!(say(&vec![b'x'; (1 << 20) + 7]), "");
    std::fs::write(program.home().join("go"), "").unwrap();
    let run = finished(child.wait_with_output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    let said = std::fs::read_to_string(program.home().join("said")).unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["deferred"]["run_command"]["argv"], json!(["true"]));
}

#[test]
fn the_state_directory_is_the_flag_else_the_variable_and_of_the_user_alone() {
    use std::os::unix::fs::MetadataExt as _;
    let program = Program::new();
    let flag = program.home().join("flag");
    let path = flag.to_str().unwrap();
    let mut command = around(&program, &["--state-dir", path], "true");
    assert!(
        command
            .env("TOWPATH_STATE_DIR", "variable")
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(flag.metadata().unwrap().mode() & 0o777, 0o700);
    assert!(!program.home().join("variable").exists());
    let mut command = around(&program, &[], "true");
    assert!(
        command
            .env("TOWPATH_STATE_DIR", "variable")
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(names(&program.home().join("variable")), ["deferred"]);
    assert!(!program.home().join("towpath").exists());
    assert_eq!(run(&program, &[], "no-such-program-here").code, 127);
    assert_eq!(
        names(&program.home().join("towpath")),
        ["deferred"],
        "and no store"
    );
}
