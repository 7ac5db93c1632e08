//! Verbs on many messages: filters, dry runs, and asking before much is done.

use serde_json::json;

use crate::program::Program;

/// That many dead letters, by a command that fails at once.
fn with_dead(count: usize) -> Program {
    let program = Program::new();
    let lines: String = (1..=count).map(|n| format!("{n}\n")).collect();
    let each = [
        "submit",
        "--shell",
        "--each",
        "--retries",
        "0",
        "--queue",
        "bad",
        "--",
        "towpath-no-such-program",
        "{}",
    ];
    assert_eq!(program.run_with_input(&each, lines).code, 0);
    program.ok(&["worker", "--drain"]);
    program
}

#[test]
fn a_filter_selects_and_a_dry_run_changes_nothing() {
    let program = with_dead(3);
    let good = program.submit(&["--queue", "good", "add"]);
    program.ok(&["revoke", &good]);
    let select = |filter: &[&str]| {
        let args = [&["dead", "requeue", "--dry-run"], filter].concat();
        program.json(&args)["selected"].as_u64().unwrap()
    };
    assert_eq!(select(&["--all"]), 4);
    assert_eq!(select(&["--queue", "bad"]), 3);
    assert_eq!(select(&["--queue", "ba"]), 0, "names match exactly");
    assert_eq!(select(&["--task", "shell"]), 3);
    assert_eq!(select(&["--reason", "rejected"]), 3);
    assert_eq!(select(&["--reason", "revoked"]), 1);
    assert_eq!(select(&["--reason", "lost"]), 0);
    assert_eq!(select(&["--error", "towpath-no-such-program"]), 3);
    assert_eq!(select(&["--older-than", "1h"]), 0);
    assert_eq!(select(&["--newer-than", "1h"]), 4);
    let dry = program.run(&["dead", "purge", "--dry-run", "--all"]);
    assert!(
        dry.stdout
            .ends_with("would purge 4 messages; nothing was done\n"),
        "{dry:?}"
    );
    assert_eq!(
        program.json(&["dead", "list"])["messages"]
            .as_array()
            .unwrap()
            .len(),
        4
    );

    assert_eq!(
        program.ok(&["dead", "requeue", "--queue", "bad"]),
        "requeued 3 messages\n"
    );
    assert_eq!(
        program.ok(&["dead", "purge", "--all"]),
        "purged 1 message\n"
    );
    assert_eq!(program.run(&["status", &good]).code, 3);
}

#[test]
fn more_than_a_hundred_messages_ask_for_yes() {
    let program = with_dead(101);
    let refused = program.run(&["dead", "requeue", "--all"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("would requeue 101 messages, more than 100"),
        "{refused:?}"
    );
    assert_eq!(
        program.json(&["dead", "list"])["messages"]
            .as_array()
            .unwrap()
            .len(),
        50
    );
    let done = program.json(&["dead", "requeue", "--all", "--yes"]);
    assert_eq!(
        (&done["selected"], &done["changed"]),
        (&json!(101), &json!(101))
    );
    let revoked = program.json(&["revoke", "--queue", "bad", "--yes"]);
    assert_eq!(revoked["changed"], json!(101));
}

#[test]
fn pages_follow_each_other_without_gaps() {
    let program = with_dead(7);
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        // A filter that selects everything, so that pages are cut within a window.
        let mut args = vec!["dead", "list", "--limit", "3", "--queue", "bad"];
        args.extend(after.iter().flat_map(|place| ["--after", place.as_str()]));
        let page = program.json(&args);
        let messages = page["messages"].as_array().unwrap();
        assert!(messages.len() <= 3);
        seen.extend(
            messages
                .iter()
                .map(|message| message["id"].as_str().unwrap().to_owned()),
        );
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7);
}

#[test]
fn several_ids_are_told_one_by_one() {
    let program = with_dead(1);
    let dead = program.json(&["dead", "list"])["messages"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let ready = program.submit(&["add"]);
    let run = program.run(&["dead", "purge", &dead, &ready, "nobody"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (1, "purged 1 message\n"),
        "{run:?}"
    );
    assert_eq!(run.stderr.lines().count(), 2, "{run:?}");
    assert!(run.stderr.contains(&ready), "{run:?}");
    assert_eq!(program.ok(&["status", &ready]), "SUBMITTED\n");
}

#[test]
fn a_replay_is_a_new_message() {
    let program = with_dead(1);
    let dead = program.json(&["dead", "list"])["messages"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let replayed = program.json(&["messages", "replay", &dead]);
    let copy = replayed["replayed"][0]["new_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        program.json(&["messages", "show", &copy])["replay_of"],
        json!(dead)
    );
    assert_eq!(program.ok(&["status", &dead]), "FAILED\n");
}
