//! What is printed: for people without anything that acts on their terminal, for programs in a shape
//! that stays; and nobody has to read it.

use std::process::Stdio;

use serde_json::json;

use crate::program::{Program, finished};

#[test]
fn nothing_from_a_store_acts_on_the_terminal() {
    let program = Program::new();
    let nasty = "[\"\u{9b}31m \u{202e}gnp.exe \\u001b[2J\"]";
    let id = program.submit(&[
        "add",
        nasty,
        "--metadata",
        "k=\u{1b}]0;title\u{7}\nforged row",
    ]);
    for args in [
        &["messages", "show", &id][..],
        &["messages", "show", &id, "--json"],
        &["messages", "list"],
        &["messages", "list", "--json"],
    ] {
        let shown = program.ok(args);
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.chars().any(acts), "{args:?}: {shown:?}");
        assert!(!shown.contains("\nforged"), "{args:?}: {shown}");
    }
    let payload = &program.json(&["messages", "show", &id])["payload"];
    assert_eq!(payload, &json!(["\u{9b}31m \u{202e}gnp.exe \u{1b}[2J"]));
}

#[test]
fn json_has_stable_fields() {
    let program = Program::new();
    let id = program.submit(&["add", "[1]"]);
    let fields = |value: &serde_json::Value| {
        let object = value.as_object().unwrap_or_else(|| panic!("{value}"));
        object.keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let check = |args: &[&str], expected: &str| assert_eq!(fields(&program.json(args)), expected);
    check(&["submit", "add"], "id");
    check(&["status", &id], "claims id status");
    check(&["queues"], "counts queues");
    check(&["queues", "pause", "q"], "changed paused queue");
    check(&["messages", "list"], "messages next scanned");
    check(&["dead", "list"], "messages next scanned");
    check(&["workers"], "workers");
    check(&["prune"], "removed");
    check(&["doctor"], "mended notes problems");
    check(&["messages", "update", &id, "--priority", "1"], "id");
    check(
        &["messages", "show", &id],
        "attempts callbacks claims codec due_at_ms id losses max_retries mechanism metadata paused \
         payload priority queue result retries snoozes state status submitted_at_ms task timeout_ms \
         updated_at_ms waits",
    );
    let queue = &program.json(&["queues"])["queues"][0];
    assert_eq!(fields(queue), "oldest_ready_at_ms paused queue ready tasks");
    check(&["revoke", &id], "changed dry_run selected skipped verb");
    check(
        &["dead", "requeue", "--all", "--dry-run"],
        "changed dry_run ids selected skipped verb",
    );
}

#[test]
fn large_numbers_come_back_as_they_were_given() {
    let program = Program::new();
    let id = program.submit(&["add", "[\n 123456789012345678901234567890.125 ]"]);
    let shown = program.ok(&["messages", "show", &id, "--json"]);
    assert!(
        shown.contains("\"payload\":[123456789012345678901234567890.125]"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_not_a_failure() {
    let program = Program::new();
    let many: String = (0..1_000).map(|n| format!("{n}\n")).collect();
    program.run_with_input(&["submit", "--shell", "--each", "--", "echo", "{}"], many);
    for args in [
        &["messages", "list", "--limit", "1000"][..],
        &["messages", "list", "--limit", "1000", "--json"],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program
            .command(args)
            .stdout(Stdio::from(writer))
            .output()
            .unwrap();
        let run = finished(output);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
    }
}

#[test]
fn logs_go_to_standard_error_as_text_or_json() {
    let program = Program::new();
    program.submit(&["--shell", "--", "true"]);
    let worker = [
        "worker",
        "--drain",
        "--json",
        "--log-level",
        "trace",
        "--log-format",
        "json",
    ];
    let run = program.run(&worker);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.lines().count() > 0, "{run:?}");
    for line in run.stderr.lines().chain(run.stdout.lines()) {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(document.is_object(), "{line}");
    }
}
