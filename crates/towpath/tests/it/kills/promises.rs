//! Processes that are killed in the midst of attempts which have promised clean-up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use towpath::deferred::{Registry, StateDir};
use towpath::{App, Context, Data, TaskError, task};

use super::process::{LONG, Part, Process, SOON, beside, say, store_in};
use super::tasks::Marks;

/// The mark of an attempt that has made a mess, and of a function that has cleaned it up.
const DIRTY: &str = "dirty";
const CLEAN: &str = "clean";

/// Promises to clean up, makes a mess and waits to be killed. From the second claim on it tells what it finds.
#[task(max_retries = 0)]
async fn mess(ctx: Context, marks: Data<Marks>, directory: PathBuf) -> Result<String, TaskError> {
    if ctx.token().claims == 1 {
        make_a_mess(&ctx, &marks, &directory)?;
        std::future::pending::<()>().await;
    }
    Ok(found(&marks))
}

/// The same on a thread.
#[task(max_retries = 0, mechanism = "thread")]
fn mess_on_a_thread(
    ctx: Context,
    marks: Data<Marks>,
    directory: PathBuf,
) -> Result<String, TaskError> {
    if ctx.token().claims == 1 {
        make_a_mess(&ctx, &marks, &directory)?;
        loop {
            std::thread::park();
        }
    }
    Ok(found(&marks))
}

/// Nobody has begun it before: tells what it finds.
#[task(max_retries = 0)]
async fn look(marks: Data<Marks>) -> String {
    found(&marks)
}

fn make_a_mess(ctx: &Context, marks: &Marks, directory: &Path) -> Result<(), TaskError> {
    ctx.defer("clean", directory)?;
    marks.set(DIRTY);
    say("holding");
    Ok(())
}

fn found(marks: &Marks) -> String {
    format!(
        "dirty {}, clean {}",
        marks.is_set(DIRTY),
        marks.is_set(CLEAN)
    )
}

const CLEANED: &str = "dirty false, clean true";

fn functions() -> Registry {
    let mut functions = Registry::new();
    let clean = |_call: &_, directory: PathBuf| -> std::io::Result<()> {
        std::fs::remove_file(directory.join(DIRTY))?;
        std::fs::write(directory.join(CLEAN), "")
    };
    functions.add("clean", clean).unwrap();
    functions
}

fn app(store: &str, directory: &Path) -> App {
    let state = StateDir::open(directory.join("state"), functions()).unwrap();
    App::new(towpath::open(store).unwrap())
        .data(Marks::of(directory))
        .task(mess)
        .task(mess_on_a_thread)
        .task(look)
        .scopes(state)
}

/// What the processes of these tests do.
pub(super) async fn work(part: &Part) {
    let worker = app(&part.store, &part.directory).worker();
    let worker = worker.lease(part.lease, part.lease / 4).concurrency(1);
    let worker = worker.threads(1).start().await.unwrap();
    say("started");
    worker.run_until_signal().await.unwrap();
    say("stopped");
}

/// A process is killed in the midst of an attempt; then another worker begins on the same directory.
async fn is_cleaned_up_before_anything_starts(on_a_thread: bool) {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let producer = App::new(towpath::open(&store).unwrap());
    let broker = producer.broker();
    let path = directory.path().to_owned();
    let held = match on_a_thread {
        false => mess.submit(&broker, (path,)).await.unwrap(),
        true => mess_on_a_thread.submit(&broker, (path,)).await.unwrap(),
    };
    let mut doomed = Process::start("work and promise", &store, LONG);
    doomed.until("holding");
    doomed.kill();
    let marks = Marks::beside(&store);
    assert!(marks.is_set(DIRTY) && !marks.is_set(CLEAN));
    // Ready, and with nobody to run it: the next worker starts with it, or with the one that was held.
    let other = look.submit(&broker, ()).priority(0).await.unwrap();

    let app = app(&store, directory.path());
    let worker = app.worker().start().await.unwrap();
    assert!(marks.is_set(CLEAN), "it was run before the worker began");
    assert_eq!(held.result(SOON).await.unwrap(), CLEANED);
    assert_eq!(other.result(SOON).await.unwrap(), CLEANED);
    let record = broker.get(held.id()).await.unwrap().unwrap();
    assert_eq!(record.counters.claims, 2, "the message was run again");
    assert_eq!(app.metrics().snapshot().deferred_failed, 0, "once");
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_async_attempt_promised_is_run_before_the_next_worker_starts_anything() {
    is_cleaned_up_before_anything_starts(false).await;
}

#[tokio::test]
async fn what_a_killed_attempt_on_a_thread_promised_is_run_before_the_next_worker_starts_anything()
{
    is_cleaned_up_before_anything_starts(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_worker_cleans_up_after_a_killed_one_before_it_runs_its_message_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store, directory.path());
    let path = directory.path().to_owned();
    let held = mess.submit(&app.broker(), (path,)).await.unwrap();
    let mut doomed = Process::start("work and promise", &store, LONG);
    doomed.until("holding");
    let worker = app.worker().start().await.unwrap();
    assert!(!Marks::beside(&store).is_set(CLEAN), "its owner lives");
    doomed.kill();
    assert_eq!(held.result(SOON).await.unwrap(), CLEANED);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_at_once_leaves_what_was_promised_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store, directory.path());
    let path = directory.path().to_owned();
    let held = mess.submit(&app.broker(), (path,)).await.unwrap();
    let mut stopping = Process::start("work and promise", &store, LONG);
    stopping.until("holding");
    // Its grace time is half a minute. Signals that come before the first is seen count as one.
    let ended = async {
        while !stopping.has_ended() {
            stopping.signal(Signal::TERM);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.unwrap();
    let marks = Marks::of(&beside(&store));
    assert!(marks.is_set(DIRTY) && !marks.is_set(CLEAN));
    let worker = app.worker().start().await.unwrap();
    assert!(marks.is_set(CLEAN));
    assert_eq!(held.result(SOON).await.unwrap(), CLEANED);
    worker.stop().await.unwrap();
}
