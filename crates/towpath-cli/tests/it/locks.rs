//! Locks, as an operator sees and releases them.

use std::time::Duration;

use serde_json::json;
use towpath::{Owner, blocking};

use crate::program::Program;

/// A broker on the store of the program, which has made it.
fn broker(program: &Program) -> blocking::Broker {
    assert_eq!(program.ok(&["locks", "list"]), "no lock is held\n");
    let file = program.home().join("towpath/towpath.db");
    blocking::Broker::new(towpath::open(&format!("sqlite:{}", file.display())).unwrap())
}

#[test]
fn a_lock_is_listed_shown_and_released() {
    let program = Program::new();
    let broker = broker(&program);
    let owner = Owner::Named("host \u{202e}1".try_into().unwrap());
    let lock = broker.lock("nightly report").unwrap().owner(owner);
    let guard = lock
        .clone()
        .ttl(Duration::from_secs(600))
        .try_lock()
        .unwrap()
        .unwrap();
    let fence = guard.leave().fence.to_string();

    let listed = program.ok(&["locks", "list"]);
    assert!(listed.contains("nightly report"), "{listed}");
    assert!(listed.contains("unless renewed"), "{listed}");
    let shown = program.ok(&["locks", "show", "nightly report"]);
    assert!(shown.contains("owner  host \\u{202e}1"), "{shown}");
    assert!(shown.contains(&format!("fence  {fence}")), "{shown}");
    let record = program.json(&["locks", "show", "nightly report"]);
    assert_eq!(record["owner"], json!("host \u{202e}1"));
    assert!(record["left_ms"].as_u64().unwrap() <= 600_000, "{record}");

    // Only under the fence that is meant.
    let run = program.run(&["locks", "release", "nightly report", "--fence", "0"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    let released = program.json(&["locks", "release", "nightly report", "--fence", &fence]);
    assert_eq!(released["released"]["fence"].to_string(), fence);
    assert!(!lock.is_held().unwrap());
    let run = program.run(&["locks", "show", "nightly report"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stderr.contains("nobody holds lock \"nightly report\""),
        "{}",
        run.stderr
    );
}

#[test]
fn a_lock_without_a_ttl_is_released_whoever_held_it() {
    let program = Program::new();
    let broker = broker(&program);
    let lock = broker.lock("l").unwrap().without_ttl();
    lock.try_lock().unwrap().unwrap().leave();
    assert!(
        program
            .ok(&["locks", "list"])
            .contains("when it is released")
    );
    assert_eq!(
        program.json(&["locks", "list"])["locks"][0]["left_ms"],
        json!(null)
    );
    let said = program.ok(&["locks", "release", "l"]);
    assert_eq!(
        said,
        format!("lock l is free; {} held it\n", Owner::Process.name())
    );
    assert_eq!(program.run(&["locks", "release", "l"]).code, 3);
}

#[test]
fn a_long_list_goes_on_where_it_ended() {
    let program = Program::new();
    let broker = broker(&program);
    for name in ["a", "b b", "c"] {
        broker
            .lock(name)
            .unwrap()
            .without_ttl()
            .try_lock()
            .unwrap()
            .unwrap()
            .leave();
    }
    let first = program.json(&["locks", "list", "--limit", "2"]);
    assert_eq!(first["next"], json!("b b"));
    let rest = program.json(&["locks", "list", "--limit", "2", "--after", "b b"]);
    assert_eq!(
        (&rest["locks"][0]["name"], &rest["next"]),
        (&json!("c"), &json!(null))
    );
    let text = program.ok(&["locks", "list", "--limit", "2"]);
    assert!(text.contains("locks list --after 'b b'"), "{text}");
}
