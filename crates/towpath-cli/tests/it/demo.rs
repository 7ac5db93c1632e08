//! `towpath demo` as a new user meets it: the report, and the commands that it says can be pasted.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::program::{Program, Run, finished};

/// A directory to count, beside a store.
struct Place {
    program: Program,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            program: Program::new(),
        };
        place.write("a.txt", b"one two\nthree\n");
        place.write("deep/er/b.rs", b"fn main() {}\n");
        place.write(".git/config", b"not counted");
        place.write("target/debug/x", b"not counted");
        place
    }

    fn directory(&self) -> PathBuf {
        self.program.home().join("files")
    }

    fn write(&self, name: impl AsRef<Path>, content: &[u8]) {
        let path = self.directory().join(name);
        fs::create_dir_all(path.parent().expect("a file in a directory")).expect("it is made");
        fs::write(path, content).expect("it is written");
    }

    /// The program on a store whose path has a space: what is to be pasted has to be quoted.
    fn command(&self, args: &[&str]) -> Command {
        let store = format!(
            "sqlite:{}",
            self.program.home().join("the jobs.db").display()
        );
        self.program.command(&[&["--store", &store], args].concat())
    }

    fn run(&self, args: &[&str]) -> Run {
        finished(self.command(args).output().expect("the program starts"))
    }

    fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run.stdout
    }

    fn json(&self, args: &[&str]) -> Value {
        let run = self.run(&[args, &["--json"]].concat());
        assert_eq!((run.code, &*run.stderr), (0, ""), "{args:?}: {run:?}");
        serde_json::from_str(&run.stdout).expect("one document")
    }

    fn demo(&self) -> String {
        self.ok(&["demo", "files"])
    }

    /// Runs in bash what the report says can be pasted.
    fn paste(&self, lines: &[&str]) -> String {
        let bash = Command::new("bash")
            .args(["-c", &lines.join("\n")])
            .output();
        let run = finished(bash.expect("bash starts"));
        assert_eq!(run.code, 0, "{lines:?}: {run:?}");
        run.stdout
    }
}

/// The lines of the report that are there to be pasted.
fn pasteable(report: &str) -> Vec<&str> {
    let (_, commands) = report
        .split_once("can be pasted.")
        .expect("the report ends with commands");
    commands
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .collect()
}

#[test]
fn the_demo_counts_files_and_shows_a_failure_on_purpose() {
    let report = Place::new().demo();
    let row = |end: &str| {
        let line = report.lines().find(|line| line.ends_with(end));
        let line = line.unwrap_or_else(|| panic!("no row of {end}:\n{report}"));
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(row("  a.txt")[..4], ["14", "B", "2", "3"]);
    assert_eq!(row("  deep/er/b.rs")[..4], ["13", "B", "1", "3"]);
    assert_eq!(row("  all 2 files")[..4], ["27", "B", "3", "6"]);
    assert!(report.contains("✓ 2 messages in "), "{report}");
    assert!(
        report.contains("there is no file .towpath-demo-unreadable"),
        "{report}"
    );
    for attempt in ["attempt 1  at once", "attempt 2  ", "attempt 3  "] {
        assert!(report.contains(attempt), "{report}");
    }
    assert!(report.contains("exhausted: now a dead letter"), "{report}");
    assert!(!report.contains('\x1b'), "no colours in a pipe");
}

#[test]
fn the_pasted_commands_list_and_requeue_the_dead_letter() {
    let place = Place::new();
    let report = place.demo();
    let [list, requeue, ..] = pasteable(&report)[..] else {
        panic!("too little to paste:\n{report}");
    };
    let id = requeue.rsplit(' ').next().expect("the id is last");
    let listed = place.paste(&[list]);
    assert!(
        listed.contains(id) && listed.contains("NotFound"),
        "{listed}"
    );

    place.paste(&[requeue]);
    assert!(
        !place.paste(&[list]).contains(id),
        "it is a dead letter no more"
    );
    // With the file there, its next run succeeds.
    place.write(".towpath-demo-unreadable", b"here");
    place.ok(&["worker", "--demo", "--drain"]);
    let result = place.json(&["result", id]);
    assert!(result.to_string().contains("\"bytes\":4"), "{result}");
}

#[test]
fn the_pasted_commands_kill_a_worker_and_the_next_one_recovers() {
    let place = Place::new();
    let report = place.demo();
    let [_list, _requeue, kill_and_recover @ ..] = &pasteable(&report)[..] else {
        panic!("too little to paste:\n{report}");
    };
    assert!(
        kill_and_recover.contains(&"sleep 1.5; kill -9 $!"),
        "{report}"
    );
    let printed = place.paste(kill_and_recover);
    let ids: Vec<&str> = printed.lines().take(4).collect();
    let claims = ids.iter().map(|id| {
        let result = place.json(&["result", id]);
        let text = result.to_string();
        assert!(text.contains("\"slept_ms\":3000"), "{text}");
        text.contains("\"claims\":2")
    });
    assert_eq!(
        claims.filter(|again| *again).count(),
        2,
        "two were held by the killed one"
    );
}

#[test]
fn a_second_demo_on_the_same_store_works_as_the_first_one() {
    let place = Place::new();
    let [first, second] = [(); 2].map(|()| place.json(&["demo", "files"]));
    for document in [&first, &second] {
        assert_eq!(document["totals"]["files"], 2);
        assert_eq!(document["totals"]["words"], 6);
        assert_eq!(document["failed"], 0);
        assert_eq!(document["dead_letter"]["reason"], "exhausted");
        assert_eq!(
            document["dead_letter"]["attempts"].as_array().map(Vec::len),
            Some(3)
        );
    }
    assert_ne!(first["dead_letter"]["id"], second["dead_letter"]["id"]);
    let row = &first["rows"][0];
    assert_eq!(row["file"], "a.txt");
    // As `printf 'one two\nthree\n' | sha256sum` says.
    assert_eq!(
        row["sha256"],
        "6481b98de00b3b8c0eccd56b3877aa72d7cbb9c2b97142fa35f7177f9456926d"
    );
}

#[test]
fn messages_of_others_are_left_alone() {
    let place = Place::new();
    let mine = place.ok(&["submit", "demo.count_file", "--queue", "mine"]);
    let slow = place.ok(&[
        "submit",
        "demo.sleep",
        r#"{"ms": 60000}"#,
        "--queue",
        "demo",
    ]);
    place.demo();
    for id in [mine.trim(), slow.trim()] {
        let status = place.json(&["status", id]);
        assert!(status.to_string().contains("SUBMITTED"), "{status}");
    }
}

#[cfg(unix)]
#[test]
fn files_may_have_any_name_and_cannot_write_on_the_terminal() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let hostile = std::ffi::OsStr::from_bytes(b"\x1b[2Jbad\nname\xff");
    place.write(hostile, b"some more words than elsewhere\n");
    let report = place.demo();
    assert!(report.contains("\\u{1b}[2Jbad\\nname\\xff"), "{report}");
    let document = place.json(&["demo", "files"]);
    assert_eq!(document["totals"]["files"], 3);
    let bytes: Vec<u8> =
        serde_json::from_value(document["rows"][0]["file"]["bytes"].clone()).expect("numbers");
    assert_eq!(bytes, hostile.as_bytes());
}

#[test]
fn there_is_a_limit_and_a_wrong_directory_is_refused() {
    let place = Place::new();
    let document = place.json(&["demo", "files", "--max-files", "1"]);
    assert_eq!(document["totals"]["files"], 1);
    assert_eq!(document["more_files"], true);

    for (wrong, why) in [
        ("no/such", "No such file"),
        ("files/a.txt", "not a directory"),
    ] {
        let run = place.run(&["demo", wrong]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(
            run.stderr.contains(wrong) && run.stderr.contains(why),
            "{run:?}"
        );
    }
}

#[test]
fn an_empty_directory_has_its_failure_all_the_same() {
    let place = Place::new();
    fs::remove_dir_all(place.directory()).expect("it was made");
    fs::create_dir(place.directory()).expect("it is gone");
    let report = place.demo();
    assert!(report.contains("all 0 files"), "{report}");
    assert!(report.contains("now a dead letter"), "{report}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_demo_and_loses_nothing() {
    let place = Place::new();
    let mut demo = place
        .command(&["demo", "files"])
        .spawn()
        .expect("the program starts");
    let progress = BufReader::new(demo.stderr.take().expect("it was piped"));
    // The files are counted; the message that fails waits for its retries.
    let mut lines = progress.lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line == "2 of 3 messages"),
        "it tells how far it is"
    );
    let id = demo.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .expect("kill starts")
            .success()
    );
    let run = finished(demo.wait_with_output().expect("it ends"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stdout
            .starts_with("stopped: 2 of 3 messages have ended"),
        "{run:?}"
    );
    assert!(run.stdout.contains("worker --demo --drain"), "{run:?}");
    let dead = place.json(&["dead", "list"]);
    assert!(
        !dead.to_string().contains("NotFound"),
        "its message has retries left: {dead}"
    );
}

/// Nothing changes but the URL.
#[cfg(all(feature = "redis", feature = "postgres"))]
#[test]
fn the_demo_runs_on_every_store() {
    let servers = [towpath_servers::REDIS_URL, towpath_servers::POSTGRES_URL];
    let urls = servers.into_iter().filter_map(towpath_servers::given);
    for url in urls.chain(["memory:".to_owned()]) {
        let place = Place::new();
        let store = match url.as_str() {
            "memory:" => url,
            server => format!("{server}?namespace=demo-{}", std::process::id()),
        };
        let mut command = place.program.command(&["--store", &store, "demo", "files"]);
        let run = finished(command.output().expect("the program starts"));
        assert_eq!(run.code, 0, "{store}: {run:?}");
        for said in ["✓ 2 messages in ", "exhausted: now a dead letter"] {
            assert!(run.stdout.contains(said), "{store}: {run:?}");
        }
    }
}
