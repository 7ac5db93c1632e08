//! Bad input gets a clear error that names the thing and the limit, before anything is written.

use crate::program::Program;

/// Runs a command line that is wrong: exit code 2, the words expected, and nothing in the store.
fn check(program: &Program, args: &[&str], expected: &str) {
    let run = program.run(args);
    assert_eq!(run.code, 2, "{args:?}: {run:?}");
    assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
    assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    assert_eq!(run.stdout, "", "{args:?}");
}

/// A command line, and a part of what its user is told.
type Row = (&'static [&'static str], &'static str);

const SUBMITS: &[Row] = &[
    (&["submit"], "no task is named"),
    (
        &["submit", ""],
        "task name is empty; give it 1 to 255 bytes",
    ),
    (&["submit", "a\u{1b}b"], "contains the control character"),
    (&["submit", "add", "--queue", ""], "queue name is empty"),
    (&["submit", "add", "[1, 2"], "the arguments are not JSON"),
    (&["submit", "add", "17"], "must be a JSON array or object"),
    (&["submit", "add", "--timeout", "0s"], "the timeout is zero"),
    (
        &["submit", "add", "--timeout", "10"],
        "10 of what? add a unit",
    ),
    (&["submit", "add", "--delay", "-5s"], "cannot be negative"),
    (
        &["submit", "add", "--delay", "11y"],
        "the limit is ten years",
    ),
    (
        &["submit", "add", "--expires-in", "11y"],
        "the limit is ten years",
    ),
    (
        &["submit", "add", "--result-ttl", "11y"],
        "the limit is ten years",
    ),
    (
        &["submit", "add", "--at", "2199-01-01T00:00:00Z"],
        "more than ten years away",
    ),
    (
        &["submit", "add", "--at", "tomorrow"],
        "2026-03-01T09:00:00Z",
    ),
    (
        &["submit", "add", "--at", "0", "--delay", "1s"],
        "cannot be used with",
    ),
    (
        &["submit", "add", "--retries", "-1"],
        "a number from 0, or unlimited",
    ),
    (&["submit", "add", "--priority", "4294967296"], "4294967296"),
    (&["submit", "add", "--metadata", "k"], "write NAME=VALUE"),
    (
        &["submit", "add", "--metadata", "k=1", "--metadata", "k=2"],
        "is given twice",
    ),
    (&["submit", "add", "--id", ""], "the id is empty"),
    (
        &["submit", "add", "--id", "0195f5c0-7f3e-7000"],
        "a whole one has 36 characters",
    ),
    (&["submit", "--shell"], "--shell needs a command"),
    (
        &["submit", "add", "--shell", "--", "ls"],
        "--shell takes no task",
    ),
    (&["submit", "add", "--", "ls"], "needs --shell"),
    (
        &["submit", "--shell", "--each", "--", "ls"],
        "no word of the command holds {}",
    ),
];

const SELECTIONS: &[Row] = &[
    (&["messages", "update", "order"], "nothing is to be changed"),
    (
        &["messages", "list", "--limit", "0"],
        "0 is not in 1..=10000",
    ),
    (
        &["messages", "list", "--state", "done"],
        "possible values: scheduled",
    ),
    (
        &["messages", "list", "--after", "x"],
        "not a place that a list has printed",
    ),
    (
        &["messages", "list", "--after", "dead:1.2"],
        "a place of another list",
    ),
    (
        &["messages", "list", "--state", "ready", "--reason", "lost"],
        "exclude each other",
    ),
    (&["dead", "list", "--state", "ready"], "can be in this list"),
    (&["dead", "requeue"], "the filter is empty"),
    (&["dead", "purge"], "the filter is empty"),
    (&["revoke"], "the filter is empty"),
    (&["messages", "remove"], "the filter is empty"),
    (&["messages", "replay"], "the filter is empty"),
    (
        &["dead", "requeue", "--all", "--queue", "q"],
        "--all and a filter exclude",
    ),
    (
        &["dead", "requeue", "order", "--queue", "q"],
        "ids and a filter exclude",
    ),
    (
        &["dead", "requeue", "--state", "ready"],
        "that is ready cannot be requeued",
    ),
];

const WORKERS: &[Row] = &[
    (
        &["worker", "--allow-shell", "--concurrency", "0"],
        "must be 1 to 100000",
    ),
    (
        &["worker", "--queues", "a", "--subset", "b=c"],
        "cannot be used with",
    ),
    (&["worker", "--subset", "b"], "write QUEUE=TASK,TASK"),
    (
        &["worker", "--metrics", "everywhere"],
        "write a port such as 9090",
    ),
    (&["result", "order", "--wait", "soon"], "10s or 1h 30m"),
];

#[test]
fn bad_input_is_named_with_its_limit_and_writes_nothing() {
    let program = Program::new();
    for (args, expected) in [SUBMITS, SELECTIONS, WORKERS].concat() {
        check(&program, args, expected);
    }
    assert_eq!(
        program.json(&["messages", "list"])["messages"],
        serde_json::json!([])
    );
}

#[test]
fn names_and_payloads_beyond_their_limits_are_refused() {
    let program = Program::new();
    let long = "x".repeat(256);
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    check(
        &program,
        &["submit", &long],
        "task name has 256 bytes, the limit is 255",
    );
    check(
        &program,
        &["submit", "add", "--queue", &long],
        "queue name has 256 bytes",
    );
    check(
        &program,
        &["submit", "add", &deep],
        "deeper than 128 levels",
    );
    assert_eq!(
        program.json(&["messages", "list"])["messages"],
        serde_json::json!([])
    );
}

#[test]
fn the_url_of_a_store_is_checked_and_its_secrets_are_kept() {
    let program = Program::new();
    let table = [
        ("jobs.db", "has no scheme; write sqlite:PATH or memory:"),
        (
            "mysql://u:hunter2@h/db",
            "is unknown; use sqlite:, redis:, postgres: or memory:",
        ),
        (
            "redis://u:hunter2@h/0?sslrootcert=ca.pem",
            "without encryption; write rediss://HOST",
        ),
        ("sqlite:", "names no file"),
        ("sqlite:x.db?color=red", "has no setting \"color\""),
        ("sqlite:x.db?durability=some", "it is normal or full"),
        ("sqlite:x.db?namespace=", "namespace name is empty"),
    ];
    for (url, expected) in table {
        check(&program, &["--store", url, "queues"], expected);
        let run = program
            .command(&["queues"])
            .env("TOWPATH_STORE", url)
            .output()
            .unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert!(
            stderr.contains(expected) && stderr.contains("TOWPATH_STORE"),
            "{stderr}"
        );
        assert!(!stderr.contains("hunter2"), "{stderr}");
    }
}

#[test]
fn a_payload_from_standard_input_is_bounded_before_it_is_parsed() {
    let program = Program::new();
    let run = program.run_with_input(&["submit", "add", "-"], vec![b'['; 2 * 1024 * 1024]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.stderr
            .contains("more than 1048576 bytes, the limit of a payload"),
        "{run:?}"
    );
    let fits = format!("[\"{}\"]", "x".repeat(1024 * 1024 - 4));
    assert_eq!(
        program.run_with_input(&["submit", "add", "-"], fits).code,
        0
    );
    let nearly = format!("[\"{}\"]", "x".repeat(1024 * 1024 - 3));
    assert_eq!(
        program.run_with_input(&["submit", "add", "-"], nearly).code,
        2
    );
}

#[test]
fn a_file_that_is_not_ours_is_refused_by_name() {
    let program = Program::new();
    let file = program.home().join("text.db");
    std::fs::write(
        &file,
        "this is not a database, only a text of some length\n".repeat(40),
    )
    .unwrap();
    let run = program.run(&["--store", &format!("sqlite:{}", file.display()), "queues"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("text.db is not an SQLite database"),
        "{run:?}"
    );
}
