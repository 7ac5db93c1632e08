//! A full disk: what was accepted stays, what is refused is told clearly, and once there is room again
//! the same store and the same worker go on.
//!
//! The disk is filled in another process. Where this machine lets us, it has a small file system of its
//! own, mounted for it alone; and always, in a test of its own, it may only write files up to a size.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use towpath::{App, Broker, Draft, Kind, MessageId, Status};

use crate::kills::process::{LONG, Part, Process, SOON, say, store_in, until};
use crate::kills::tasks::{Marks, app, harmless, until_told, weigh};

/// How large the small file system is.
const DISK_MIB: u64 = 8;
/// A file that takes room until the test frees it.
const BALLAST: &str = "ballast";
/// How far files may grow where no file system can be mounted.
const ROOM: u64 = 1 << 20;

#[tokio::test]
async fn a_full_disk_loses_nothing_and_room_lets_everything_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let Some(command) = with_a_small_disk(directory.path()) else {
        println!(
            "SKIPPED: this machine lets nobody mount a file system for a test. \
             a_limit_of_file_sizes_loses_nothing_and_room_lets_everything_go_on stands in for it"
        );
        return;
    };
    goes_on_after(command, &directory, "the disk is full; free some space");
}

#[tokio::test]
async fn a_limit_of_file_sizes_loses_nothing_and_room_lets_everything_go_on() {
    let directory = tempfile::tempdir().unwrap();
    // The signal that comes with a file that is too large would end the process: what is asked for is
    // the error that every program sees.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap());
    goes_on_after(command, &directory, "check the disk");
}

fn goes_on_after(command: Command, directory: &tempfile::TempDir, way_out: &str) {
    let store = store_in(directory);
    let mut child = Process::start_through(command, "fill the disk", &store, LONG);
    let error = child.until_said("refused ");
    let file = store.strip_prefix("sqlite:").unwrap();
    assert!(error.contains(file) && error.contains(way_out), "{error}");
    child.until("all is well");
    assert!(child.wait().success());
}

/// A command that runs this program with a small file system of its own on `directory`.
fn with_a_small_disk(directory: &Path) -> Option<Command> {
    let through = |script: &str| {
        let mut command = Command::new("unshare");
        // Who is not root may still be so in a namespace of his own.
        let alone = if rustix::process::geteuid().is_root() {
            "-m"
        } else {
            "-Urm"
        };
        let mount = format!("mount -t tmpfs -o size={DISK_MIB}m tmpfs \"$DISK\"");
        command
            .args([alone, "sh", "-c", &format!("{mount} {script}")])
            .env("DISK", directory);
        command
    };
    let mut trial = through("");
    let trial = trial.stdout(Stdio::null()).stderr(Stdio::null()).status();
    trial.ok().filter(std::process::ExitStatus::success)?;
    let mut command = through(r#"&& exec "$0" "$@""#);
    command.arg(std::env::current_exe().unwrap());
    Some(command)
}

/// The room that the child has, and how it gets more.
enum Room {
    Disk(std::path::PathBuf),
    FileSize(Rlimit),
}

impl Room {
    /// Takes so much room that little is left.
    fn take(directory: &Path) -> Self {
        if is_small_disk(directory) {
            let ballast = directory.join(BALLAST);
            std::fs::write(&ballast, vec![0; 2 << 20]).unwrap();
            return Room::Disk(ballast);
        }
        let before = getrlimit(Resource::Fsize);
        let log = directory.join("jobs.db-wal");
        let size = std::fs::metadata(log).unwrap().len();
        let limited = Rlimit {
            current: Some(size + ROOM),
            maximum: before.maximum,
        };
        setrlimit(Resource::Fsize, limited).unwrap();
        Room::FileSize(before)
    }

    fn free(self) {
        match self {
            Room::Disk(ballast) => std::fs::remove_file(ballast).unwrap(),
            Room::FileSize(before) => setrlimit(Resource::Fsize, before).unwrap(),
        }
    }
}

fn is_small_disk(directory: &Path) -> bool {
    let found = rustix::fs::statvfs(directory).unwrap();
    found.f_blocks * found.f_frsize == DISK_MIB << 20
}

/// What the child does.
pub(crate) async fn fill(part: &Part) {
    let errors: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = errors.clone();
    let app = app(&part.store).on_error(move |error| heard.lock().unwrap().push(error.to_string()));
    let broker = app.broker();
    let mut accepted = Vec::new();
    for n in 0..50 {
        accepted.push(harmless.submit(&broker, (n,)).await.unwrap().id());
    }
    let running = until_told.submit(&broker, ()).await.unwrap();
    let worker = app.worker().concurrency(1).start().await.unwrap();
    until("an attempt that runs", async || {
        broker.statuses().get(running.id()).await.unwrap() == Status::Running
    })
    .await;

    let file = part.store.strip_prefix("sqlite:").unwrap();
    let room = Room::take(Path::new(file).parent().unwrap());
    // Large ones until none fits, then small ones, until there is not room for a single page.
    let mut refused = Vec::new();
    for text in ["x".repeat(64 << 10), "x".into()] {
        let (id, error) = submit_until_refused(&broker, &text, &mut accepted).await;
        say(&format!("refused {error}"));
        assert_eq!(error.kind(), Kind::Storage, "{error}");
        refused.push(id);
    }
    all_there(&app, &accepted).await;

    // An attempt ends now: its end cannot be written, and is kept by the worker.
    Marks::beside(&part.store).set("end");
    until("a settle that cannot be written", async || {
        let errors = errors.lock().unwrap();
        errors.iter().any(|error| error.starts_with("settling"))
    })
    .await;
    assert_eq!(
        broker.statuses().get(running.id()).await.unwrap(),
        Status::Running
    );

    room.free();
    assert_eq!(running.result(SOON).await.unwrap(), "told");
    accepted.push(harmless.submit(&broker, (1,)).await.unwrap().id());
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    for id in &accepted {
        let ended = broker.statuses().get(*id).await.unwrap();
        assert_eq!(ended, Status::Succeeded);
    }
    for id in refused {
        assert!(
            !broker.exists(id).await.unwrap(),
            "what was refused is not there"
        );
    }
    worker.stop().await.unwrap();
    assert_eq!(app.store().doctor().await.unwrap(), []);
    say(&format!("{} accepted", accepted.len()));
    say("all is well");
}

async fn submit_until_refused(
    broker: &Broker,
    text: &str,
    accepted: &mut Vec<MessageId>,
) -> (MessageId, towpath::Error) {
    for _ in 0..10_000 {
        // Not for the worker while it is at it: it has one slot, and that is taken.
        let draft: Draft = weigh.draft((text.to_owned(),)).unwrap();
        let id = draft.id;
        match broker.submit(draft).await {
            Ok(id) => accepted.push(id),
            Err(error) => return (id, error),
        }
    }
    panic!("the disk does not become full");
}

async fn all_there(app: &App, accepted: &[MessageId]) {
    for ids in accepted.chunks(500) {
        let found = app.store().get(ids.to_vec()).await.unwrap();
        assert!(found.iter().all(Option::is_some));
    }
    // Bounded, because the worker waits for the disk meanwhile.
    let _no_error = tokio::time::timeout(Duration::from_secs(30), app.store().counts())
        .await
        .unwrap()
        .unwrap();
}
