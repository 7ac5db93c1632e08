//! Workers as processes: what they tell, how they stop, and what they serve.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::program::Program;

#[test]
fn a_worker_tells_what_it_does_and_what_it_did() {
    let program = Program::new();
    program.submit(&["--shell", "--", "true"]);
    program.submit(&["--shell", "--retries", "0", "--", "false"]);
    let text = program.ok(&[
        "worker",
        "--drain",
        "--json",
        "--concurrency",
        "2",
        "--threads",
        "1",
    ]);
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 2, "{text}");
    assert_eq!(events[0]["event"], json!("started"));
    assert_eq!(events[0]["tasks"], json!(["shell"]));
    assert_eq!(events[1]["event"], json!("stopped"));
    assert_eq!(
        (&events[1]["succeeded"], &events[1]["failed"]),
        (&json!(1), &json!(1))
    );
    let workers = program.json(&["workers"]);
    assert_eq!(
        workers["workers"][0]["lease_left_ms"],
        json!(null),
        "{workers}"
    );
}

#[test]
fn a_message_of_an_unknown_task_waits() {
    let program = Program::new();
    let id = program.submit(&["nobody.knows"]);
    program.ok(&["worker", "--drain"]);
    assert_eq!(program.ok(&["status", &id]), "SUBMITTED\n");
    let text = program.ok(&["messages", "show", &id]);
    assert!(text.contains("a free worker that listens to \"default\" and knows \"nobody.knows\""));
    let queues = program.ok(&["queues"]);
    assert!(
        queues.contains("1 nobody.knows (no connected worker knows it)"),
        "{queues}"
    );
}

#[test]
fn a_worker_listens_to_the_queues_it_is_told() {
    let program = Program::new();
    let a = program.submit(&["--queue", "a", "--shell", "--", "true"]);
    let b = program.submit(&["--queue", "b", "--shell", "--", "true"]);
    program.ok(&["worker", "--drain", "--queues", "a,c"]);
    assert_eq!(program.ok(&["status", &a]), "SUCCEEDED\n");
    assert_eq!(program.ok(&["status", &b]), "SUBMITTED\n");
    program.ok(&["worker", "--drain", "--subset", "b=shell"]);
    assert_eq!(program.ok(&["status", &b]), "SUCCEEDED\n");
}

#[cfg(unix)]
#[test]
fn a_state_directory_is_made_for_its_owner_alone_and_one_that_is_not_fit_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = Program::new();
    let state = program.home().join("deep/state");
    program.ok(&["worker", "--drain", "--state-dir", "deep/state"]);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    let deferred = state.join("deferred");
    let left = std::fs::read_dir(&deferred).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<_> = names.filter(|name| name.starts_with("func")).collect();
    assert_eq!(
        files, [""; 0],
        "a worker that has ended leaves nothing to do"
    );

    std::fs::set_permissions(&deferred, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = program.run(&["worker", "--drain", "--state-dir", "deep/state"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("mode 0700"), "{refused:?}");
}

/// A worker that is ended with its test, whatever becomes of it.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[test]
fn sigterm_ends_a_worker_well() {
    let program = Program::new();
    let mut worker = Running(program.spawn(&["worker", "--json"]));
    let mut lines = BufReader::new(worker.0.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("started"));
    assert_eq!(
        program.json(&["workers"])["workers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let pid = worker.0.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(lines.next().unwrap().unwrap().contains("stopped"));
    assert_eq!(worker.0.wait().unwrap().code(), Some(0));
}

#[test]
fn metrics_are_served_to_this_machine_and_nothing_else_is() {
    let program = Program::new();
    program.submit(&["waits.for.ever"]);
    let mut worker = Running(program.spawn(&["worker", "--metrics", "0"]));
    let mut notes = BufReader::new(worker.0.stderr.take().unwrap()).lines();
    let note = notes.next().unwrap().unwrap();
    let (_, address) = note
        .split_once("http://")
        .unwrap_or_else(|| panic!("{note}"));
    let address = address.strip_suffix("/metrics").unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{note}");
    // Served once it has told that it started.
    let mut lines = BufReader::new(worker.0.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();

    let ask = |request: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("towpath_succeeded_total 0\n"), "{page}");
    assert!(
        page.contains("towpath_messages{state=\"ready\"} 1\n"),
        "{page}"
    );
    assert!(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(ask("DELETE /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
}
