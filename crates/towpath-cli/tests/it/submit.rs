//! Submitting, and looking at what was submitted.

use serde_json::json;

use crate::program::Program;

#[test]
fn a_message_is_submitted_seen_changed_and_removed() {
    let program = Program::new();
    let args = [
        "add",
        "{\"a\": 1, \"b\": 2}",
        "--queue",
        "sums",
        "--priority",
        "7",
    ];
    let more = [
        "--delay",
        "1h",
        "--metadata",
        "customer=x",
        "--retries",
        "unlimited",
    ];
    let id = program.submit(&[&args[..], &more].concat());

    assert_eq!(program.ok(&["status", &id]), "SUBMITTED\n");
    let shown = program.json(&["messages", "show", &id]);
    assert_eq!(shown["id"], json!(id));
    assert_eq!(shown["payload"], json!({"a": 1, "b": 2}));
    assert_eq!(shown["metadata"], json!({"customer": "x"}));
    assert_eq!(shown["max_retries"], json!(null));
    assert_eq!(shown["timeout_ms"], json!(3_600_000));
    assert_eq!(shown["waits"][0]["for"], json!("time"));
    assert_eq!(shown["waits"][1]["for"], json!("worker"));

    let change = [
        "--delay",
        "0s",
        "--priority",
        "1",
        "--no-metadata",
        "--payload",
        "[3, 4]",
    ];
    program.ok(&[&["messages", "update", &id], &change[..]].concat());
    let shown = program.json(&["messages", "show", &id]);
    assert_eq!(shown["state"], json!("ready"));
    assert_eq!(
        (&shown["payload"], &shown["priority"]),
        (&json!([3, 4]), &json!(1))
    );
    assert_eq!(shown["metadata"], json!({}));

    assert_eq!(
        program.ok(&["messages", "remove", &id]),
        "removed 1 message\n"
    );
    let gone = program.run(&["status", &id]);
    assert_eq!((gone.code, gone.stdout.as_str()), (3, "UNKNOWN\n"));
}

#[test]
fn an_id_of_the_users_own_is_accepted_once_and_found_by_its_text() {
    let program = Program::new();
    let id = program.submit(&["add", "--id", "order-17"]);
    let again = program.run(&["submit", "add", "--id", "order-17"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(
        again.stderr.contains(&id) && again.stderr.contains("already"),
        "{again:?}"
    );
    assert_eq!(program.ok(&["status", "order-17"]), "SUBMITTED\n");
    assert_eq!(program.json(&["status", "order-17"])["id"], json!(id));
}

#[test]
fn exit_codes_tell_what_the_caller_can_do() {
    let program = Program::new();
    program.submit(&["add", "--id", "waiting"]);
    let check = |args: &[&str], code| {
        let run = program.run(args);
        assert_eq!(run.code, code, "{args:?}: {run:?}");
    };
    check(&["status", "waiting"], 0);
    check(&["status", "nobody"], 3);
    check(&["messages", "show", "nobody"], 3);
    check(&["messages", "update", "nobody", "--priority", "1"], 3);
    check(&["result", "nobody"], 3);
    check(&["result", "waiting"], 4);
    check(&["result", "waiting", "--wait", "50ms"], 4);
    check(&["dead", "show", "waiting"], 1);
    check(&["dead", "requeue", "waiting"], 1);
    check(&["dead", "requeue", "nobody"], 3);
    check(&["revoke", "waiting"], 0);
    check(&["result", "waiting"], 1);
    check(&["revoke", "waiting"], 1);
    check(&["dead", "requeue", "waiting"], 0);
    check(&["worker", "--queues"], 2);
}

#[test]
fn a_paused_queue_is_told_as_what_a_message_waits_for() {
    let program = Program::new();
    let id = program.submit(&["add"]);
    assert_eq!(
        program.ok(&["queues", "pause", "default"]),
        "queue default is paused; what runs goes on\n"
    );
    assert_eq!(
        program.json(&["queues", "pause", "default"])["changed"],
        json!(false)
    );
    let text = program.ok(&["messages", "show", &id]);
    assert!(text.contains("its queue: \"default\" is paused"), "{text}");
    assert!(program.ok(&["queues"]).contains("paused"));
    let doctor = program.json(&["doctor"]);
    assert_eq!(doctor["problems"], json!([]));
    assert_eq!(
        doctor["notes"][0]["problem"],
        json!("paused, with 1 message ready")
    );
    assert_eq!(
        program.json(&["queues", "resume", "default"])["changed"],
        json!(true)
    );
}
