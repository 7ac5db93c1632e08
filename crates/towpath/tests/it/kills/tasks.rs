//! The tasks of these tests, and what the other processes do with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use towpath::{App, Broker, Context, Data, Store, TaskError, Worker, task};

use super::process::{Part, beside, say};

/// Where processes leave marks for each other: the directory of the store.
pub(crate) struct Marks(PathBuf);

impl Marks {
    pub(crate) fn beside(store: &str) -> Self {
        Self(beside(store))
    }

    pub(crate) fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    pub(crate) fn set(&self, mark: &str) {
        std::fs::write(self.0.join(mark), "").unwrap();
    }

    pub(crate) fn is_set(&self, mark: &str) -> bool {
        self.0.join(mark).exists()
    }
}

/// Tells that it runs and waits for ever: for attempts that are to be killed or frozen. The second
/// claim succeeds at once.
#[task(max_retries = 0)]
pub(crate) async fn hold(ctx: Context) -> Result<String, TaskError> {
    if ctx.token().claims == 1 {
        say("holding");
        std::future::pending::<()>().await;
    }
    Ok(format!("claim {}", ctx.token().claims))
}

/// Tells that it runs, and ends when the process is thawed: its settle comes late.
#[task(max_retries = 0)]
pub(crate) async fn thaw(ctx: Context) -> String {
    if ctx.token().claims == 1 {
        say("holding");
        // The freeze happens in here: a frozen process wakes with this long over.
        std::thread::sleep(Duration::from_millis(300));
    }
    format!("claim {}", ctx.token().claims)
}

/// The first attempt ends only while the second runs, and the second after the first.
#[task(max_retries = 0, mechanism = "thread")]
pub(crate) fn overlap(ctx: Context, marks: Data<Marks>) -> String {
    let claims = ctx.token().claims;
    let wait = |mark: &str| {
        while !marks.is_set(mark) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    if claims == 1 {
        say("holding");
        wait("second began");
        say("the first ends late");
        marks.set("first ended");
    } else {
        marks.set("second began");
        wait("first ended");
    }
    format!("claim {claims} of {}", std::process::id())
}

/// Blocks the whole async runtime for several leases.
#[task(max_retries = 0)]
pub(crate) async fn block_runtime(millis: u64) -> u64 {
    say("holding");
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

/// Runs until it is told to end.
#[task(max_retries = 0)]
pub(crate) async fn until_told(marks: Data<Marks>) -> String {
    say("holding");
    while !marks.is_set("end") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    "told".to_owned()
}

/// Ends its worker at once, the way a crash does, after telling how many messages the worker held.
#[task]
pub(crate) async fn poison(ctx: Context) {
    let workers = ctx.broker().workers().await.unwrap();
    let held: usize = workers
        .iter()
        .filter(|worker| worker.lease_left.is_some())
        .map(|worker| worker.held)
        .sum();
    say(&format!("dying with {held}"));
    std::process::abort();
}

#[task]
pub(crate) async fn harmless(n: u32) -> u32 {
    n
}

/// Fails the first time.
#[task(max_retries = 3, backoff = constant("100ms"))]
pub(crate) async fn flaky(ctx: Context) -> Result<u32, TaskError> {
    if ctx.retries() == 0 {
        return Err(TaskError::new("flaky", "the first time it fails"));
    }
    Ok(ctx.retries())
}

#[task]
pub(crate) async fn weigh(text: String) -> usize {
    text.len()
}

/// Tells that it runs.
#[task]
pub(crate) async fn tell(priority: u32, n: u32) {
    say(&format!("ran {priority} {n}"));
}

pub(crate) fn app(store: &str) -> App {
    app_on(towpath::open(store).unwrap(), Marks::beside(store))
}

fn part_app(part: &Part) -> App {
    app_on(
        towpath::open(&part.store).unwrap(),
        Marks::of(&part.directory),
    )
}

pub(crate) fn app_on(store: Arc<dyn Store>, marks: Marks) -> App {
    App::new(store)
        .data(marks)
        .task(hold)
        .task(thaw)
        .task(overlap)
        .task(block_runtime)
        .task(until_told)
        .task(poison)
        .task(harmless)
        .task(flaky)
        .task(weigh)
        .task(tell)
}

/// Plays the part that the parent gave this process.
pub(crate) async fn play(part: Part) {
    match part.role.as_str() {
        "produce" => produce(&part.store).await,
        "work" => work(&part, |worker| worker.concurrency(1)).await,
        "work in order" => {
            work(&part, |worker| {
                worker.concurrency(1).prefetch(0).queues(["q"])
            })
            .await;
        }
        "work with a pool of eight" => work(&part, |worker| worker.concurrency(8)).await,
        "consume" => consume(&part).await,
        #[cfg(feature = "files")]
        "work and promise" => super::promises::work(&part).await,
        "share a lock" => super::locks::share(&part).await,
        #[cfg(target_os = "linux")]
        "be refused" => crate::permissions::be_refused(&part.store).await,
        "fill the disk" => crate::disk::fill(&part).await,
        other => panic!("no role {other:?}"),
    }
}

async fn produce(store: &str) {
    let broker = Broker::new(towpath::open(store).unwrap());
    for n in 0.. {
        let submitted = harmless.submit(&broker, (n,)).await.unwrap();
        say(&submitted.id().to_string());
    }
}

async fn work(part: &Part, set_up: impl FnOnce(towpath::WorkerBuilder) -> towpath::WorkerBuilder) {
    let app = part_app(part);
    let worker = set_up(app.worker().lease(part.lease, part.lease / 4));
    let worker: Worker = worker.start().await.unwrap();
    say("started");
    worker.run_until_signal().await.unwrap();
    say(&format!("lost {}", app.metrics().snapshot().lease_lost));
    say("stopped");
}

/// Takes a message by hand, is frozen, takes it again, and then acknowledges both: the old one first.
async fn consume(part: &Part) {
    let app = part_app(part);
    let consumer = app.consumer().lease(part.lease, part.lease / 4);
    let mut stream = consumer.stream().await.unwrap();
    let old = stream.next().await.unwrap();
    say("holding");
    let new = stream.next().await.unwrap();
    assert_eq!(old.token().id, new.token().id);
    let late = old.ack("the old one").await.unwrap_err();
    say(&format!("refused {}", late.kind().as_str()));
    new.ack("the new one").await.unwrap();
    stream.stop().await.unwrap();
    say("stopped");
}
