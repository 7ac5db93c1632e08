//! Command lines as messages.

use std::process::Command;

use serde_json::json;

use crate::program::Program;

#[test]
fn a_command_line_is_submitted_run_and_its_output_read() {
    let program = Program::new();
    let id = program.submit(&["--shell", "--", "sh", "-c", "echo out; pwd"]);
    let shown = program.json(&["messages", "show", &id]);
    assert_eq!(
        shown["payload"]["argv"],
        json!(["sh", "-c", "echo out; pwd"])
    );
    program.ok(&["worker", "--drain"]);
    let result: serde_json::Value = serde_json::from_str(&program.ok(&["result", &id])).unwrap();
    assert_eq!(result["exit_code"], json!(0));
    let home = program.home().canonicalize().unwrap();
    assert_eq!(
        result["stdout"],
        json!(format!("out\n{}\n", home.display()))
    );

    let taken = program.json(&["result", &id, "--take"]);
    assert_eq!(taken["id"], json!(id));
    assert_eq!(program.run(&["result", &id]).code, 3);
}

#[test]
fn each_line_of_the_input_is_a_message() {
    let program = Program::new();
    let each = ["submit", "--shell", "--each", "--", "echo", "<{}>", "{}{}"];
    let run = program.run_with_input(&each, "one\n\n  \ntwo words\r\n");
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (0, "submitted 2 messages\n"),
        "{run:?}"
    );
    let list = program.json(&["messages", "list", "--task", "shell"]);
    let argv: Vec<_> = list["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["payload"]["argv"])
        .collect();
    assert!(
        argv.contains(&&json!(["echo", "<two words>", "two wordstwo words"])),
        "{argv:?}"
    );

    let many: String = (0..2_500).map(|n| format!("{n}\n")).collect();
    let run = program.run_with_input(
        &["submit", "--shell", "--each", "--json", "--", "echo", "{}"],
        many,
    );
    let ids: Vec<serde_json::Value> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(ids.len(), 2_500);
    assert!(ids.iter().all(|line| line["id"].is_string()));
}

#[test]
fn a_bad_line_is_named_and_those_before_it_are_submitted() {
    let program = Program::new();
    let each = ["submit", "--shell", "--each", "--", "echo", "{}"];
    let run = program.run_with_input(&each, b"good\n\xff\n");
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("line 2 is not UTF-8"), "{run:?}");
    assert!(
        run.stderr.contains("1 message submitted before that"),
        "{run:?}"
    );
}

#[cfg(unix)]
#[test]
fn command_lines_run_by_default_only_from_a_private_directory() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = Program::new();
    program.submit(&["--shell", "--", "true"]);
    let directory = program.home().join("towpath");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = program.run(&["worker", "--drain"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("--allow-shell"), "{refused:?}");
    program.ok(&["worker", "--drain", "--allow-shell"]);
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    program.ok(&["worker", "--drain"]);
}

/// The grace time of the worker is over, yet its program is asked to end and has the time for it.
#[cfg(unix)]
#[test]
fn a_worker_that_stops_waits_for_the_programs_that_it_has_called_off() {
    use std::io::{BufRead as _, BufReader};

    let program = Program::new();
    let alive = program.home().join("alive");
    assert!(
        Command::new("mkfifo")
            .arg(&alive)
            .status()
            .expect("mkfifo starts")
            .success()
    );
    // It ends when the last process that has it open for writing does.
    let (told, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let alive = std::fs::File::open(alive).expect("somebody writes");
        BufReader::new(alive)
            .lines()
            .map_while(Result::ok)
            .for_each(|line| {
                let _ = told.send(line);
            });
    });
    let script = "exec 3> alive; trap 'sleep 0.5; echo asked >&3; exit' TERM; echo runs >&3; sleep 1000 & wait";
    program.submit(&["--shell", "--", "sh", "-c", script]);
    let mut worker = program.spawn(&["worker", "--grace", "100ms"]);
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(lines.recv_timeout(minute).as_deref(), Ok("runs"));

    let id = worker.id().to_string();
    assert!(
        Command::new("kill")
            .arg(id)
            .status()
            .expect("kill starts")
            .success()
    );
    worker.wait().expect("it ends");
    assert_eq!(lines.recv_timeout(minute).as_deref(), Ok("asked"));
    let gone = Err(std::sync::mpsc::RecvTimeoutError::Disconnected);
    assert_eq!(
        lines.recv_timeout(minute),
        gone,
        "nobody has it open any more"
    );
}

/// The program of a worker that is killed does not go on beside the second run of its message.
#[cfg(unix)]
#[test]
fn the_program_of_a_killed_worker_is_ended_before_its_message_runs_again() {
    use std::io::{BufRead as _, BufReader};

    let program = Program::new();
    let up = program.home().join("up");
    let made = Command::new("mkfifo").arg(&up).status();
    assert!(made.expect("mkfifo starts").success());
    // The first run goes on until it is asked to end; the second succeeds only after that. Nobody reads what it says of
    // that on standard error: to write there would end it.
    let script = "exec 2>/dev/null
        if mkdir first; then
            trap 'touch ended; exit 1' TERM
            echo up > up
            while :; do sleep 0.02; done
        else
            test -e ended
        fi";
    let id = program.submit(&["--retries", "0", "--shell", "--", "sh", "-c", script]);
    let mut doomed = program.spawn(&["worker", "--state-dir", "state"]);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let file = std::fs::File::open(up).expect("somebody writes");
        let _lines = BufReader::new(file).read_line(&mut line);
        let _ = tell.send(line);
    });
    let line = told.recv_timeout(std::time::Duration::from_secs(60));
    doomed.kill().expect("it runs");
    doomed.wait().expect("it was killed");
    assert_eq!(line.as_deref(), Ok("up\n"));
    assert!(!program.home().join("ended").exists());

    program.ok(&["worker", "--drain", "--state-dir", "state"]);
    assert!(program.home().join("ended").exists());
    assert_eq!(program.ok(&["status", &id]), "SUCCEEDED\n");
}
