//! Real processes on one SQLite file, killed, frozen and told to stop.
//!
//! The test binary plays the other processes too: started again with [`ROLE`] set, it becomes a
//! producer or a worker and does what [`child_process`] says.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use towpath::{
    App, Broker, Context, Data, FailReason, MessageId, State, Status, TaskError, Worker, task,
};

const ROLE: &str = "TOWPATH_TEST_ROLE";
const STORE: &str = "TOWPATH_TEST_STORE";
const LEASE_MS: &str = "TOWPATH_TEST_LEASE_MS";
/// Longest wait for something that must happen.
const SOON: Duration = Duration::from_secs(60);

/// Tells that it runs and waits for ever: for attempts that are to be killed or frozen. The second
/// claim succeeds at once.
#[task(max_retries = 0)]
async fn hold(ctx: Context) -> Result<String, TaskError> {
    if ctx.token().claims == 1 {
        say("holding");
        std::future::pending::<()>().await;
    }
    Ok(format!("claim {}", ctx.token().claims))
}

/// Tells that it runs, and ends when the process is thawed: its settle comes late.
#[task(max_retries = 0)]
async fn thaw(ctx: Context) -> String {
    if ctx.token().claims == 1 {
        say("holding");
        // The freeze happens in here: a frozen process wakes with this long over.
        std::thread::sleep(Duration::from_millis(300));
    }
    format!("claim {}", ctx.token().claims)
}

/// Blocks the whole async runtime for several leases.
#[task(max_retries = 0)]
async fn block_runtime(millis: u64) -> u64 {
    say("holding");
    std::thread::sleep(Duration::from_millis(millis));
    millis
}

/// Ends its worker at once, the way a crash does.
#[task]
async fn poison() {
    std::process::abort();
}

#[task]
async fn harmless(n: u32) -> u32 {
    n
}

/// Which claim a process may still take after its first.
struct Limits;

fn app(store: &str) -> App {
    App::new(towpath::open(store).unwrap())
        .data(Limits)
        .task(hold)
        .task(thaw)
        .task(block_runtime)
        .task(poison)
        .task(harmless)
        .task(uses_data)
}

#[task]
async fn uses_data(limits: Data<Limits>) {
    let _ = limits;
}

/// A line that the parent waits for.
fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n~{text}").unwrap();
    out.flush().unwrap();
}

/// What the other processes do. As a test of its own it does nothing.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let store = std::env::var(STORE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "produce" => produce(&store).await,
            "work" => {
                let worker = start_worker(&app(&store)).await;
                say("started");
                worker.run_until_signal().await.unwrap();
                say("stopped");
            }
            other => panic!("no role {other:?}"),
        }
    });
}

async fn produce(store: &str) {
    let broker = Broker::new(towpath::open(store).unwrap());
    for n in 0.. {
        let submitted = harmless.submit(&broker, (n,)).await.unwrap();
        say(&submitted.id().to_string());
    }
}

async fn start_worker(app: &App) -> Worker {
    let lease = std::env::var(LEASE_MS).map_or(60_000, |ms| ms.parse().unwrap());
    let lease = Duration::from_millis(lease);
    app.worker()
        .concurrency(1)
        .lease(lease, lease / 4)
        .start()
        .await
        .unwrap()
}

/// Another process, killed at the latest with the test.
struct Process {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(role: &str, store: &str, lease: Duration) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kills::child_process",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, role)
            .env(STORE, store)
            .env(LEASE_MS, lease.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads on until the process says `text`.
    fn until(&mut self, text: &str) {
        while let Some(said) = self.next() {
            if said == text {
                return;
            }
        }
        panic!("the process ended without saying {text:?}");
    }

    /// The next thing that the process says; `None` at its end.
    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // A line that a kill cut short was not said.
            if let Some(said) = line
                .strip_prefix('~')
                .and_then(|said| said.strip_suffix('\n'))
            {
                return Some(said.to_owned());
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn store_in(directory: &TempDir) -> String {
    format!(
        "sqlite:{}",
        Path::new(directory.path()).join("jobs.db").display()
    )
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn no_accepted_message_is_lost_when_its_producer_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let mut accepted: Vec<MessageId> = Vec::new();
    for round in 0..10u64 {
        let mut producer = Process::start("produce", &store, LONG);
        for _ in 0..(1 + round * 7) {
            accepted.push(producer.next().unwrap().parse().unwrap());
        }
        producer.kill();
        // What it said between our last look and its death was accepted too.
        let mut rest = String::new();
        let _ = producer.lines.read_to_string(&mut rest);
        let said = rest
            .split_inclusive('\n')
            .filter_map(|l| l.strip_prefix('~')?.strip_suffix('\n'));
        accepted.extend(said.filter_map(|id| id.parse::<MessageId>().ok()));
    }
    let app = app(&store);
    let found = app.store().get(accepted.clone()).await.unwrap();
    assert!(
        found.iter().all(Option::is_some),
        "some of {} are missing",
        accepted.len()
    );
    let worker = app.worker().start().await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    for brief in app.store().brief(accepted).await.unwrap() {
        assert_eq!(brief.status, Status::Succeeded);
    }
    worker.stop().await.unwrap();
    assert_eq!(app.store().doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_killed_workers_message_runs_elsewhere_long_before_its_lease_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = hold.submit(&app.broker(), ()).await.unwrap();
    let mut doomed = Process::start("work", &store, LONG);
    doomed.until("holding");
    let worker = app.worker().start().await.unwrap();
    doomed.kill();
    // The lease has nearly a minute to go: the worker's death itself was noticed.
    let result = held.result(LONG / 2).await.unwrap();
    assert_eq!(result, "claim 2");
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_frozen_worker_cannot_settle_what_others_have_run() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = thaw.submit(&app.broker(), ()).await.unwrap();
    let mut frozen = Process::start("work", &store, Duration::from_secs(1));
    frozen.until("holding");
    frozen.signal(Signal::STOP);
    let worker = app.worker().start().await.unwrap();
    assert_eq!(held.result(SOON).await.unwrap(), "claim 2");
    frozen.signal(Signal::CONT);
    // It goes on as a fresh incarnation, and still works.
    worker.stop().await.unwrap();
    let next = harmless.submit(&app.broker(), (7,)).await.unwrap();
    assert_eq!(next.result(SOON).await.unwrap(), 7);
    let record = app.broker().get(held.id()).await.unwrap().unwrap();
    assert_eq!(
        (record.state, record.counters.claims),
        (State::Succeeded, 2)
    );
    assert_eq!(
        held.result(SOON).await.unwrap(),
        "claim 2",
        "the late settle changed nothing"
    );
}

#[tokio::test]
async fn a_handler_that_blocks_the_runtime_keeps_its_lease() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let blocked = block_runtime.submit(&app.broker(), (2_500,)).await.unwrap();
    let mut busy = Process::start("work", &store, Duration::from_millis(800));
    busy.until("holding");
    let rival = app.worker().start().await.unwrap();
    assert_eq!(blocked.result(SOON).await.unwrap(), 2_500);
    let record = app.broker().get(blocked.id()).await.unwrap().unwrap();
    assert_eq!(record.counters.claims, 1, "nobody else was given it");
    rival.stop().await.unwrap();
}

#[tokio::test]
async fn sigterm_gives_back_what_has_not_started_and_the_process_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let broker = app.broker();
    let running = block_runtime.submit(&broker, (300,)).await.unwrap();
    let mut waiting = Vec::new();
    for n in 0..20 {
        waiting.push(harmless.submit(&broker, (n,)).await.unwrap().id());
    }
    let mut stopping = Process::start("work", &store, LONG);
    stopping.until("holding");
    stopping.signal(Signal::TERM);
    stopping.until("stopped");
    assert!(stopping.child.wait().unwrap().success());
    assert_eq!(
        running.result(Duration::ZERO).await.unwrap(),
        300,
        "what ran was let finish"
    );
    for record in app.store().get(waiting).await.unwrap() {
        let record = record.unwrap();
        assert_ne!(record.state, State::Running);
        assert_eq!((record.counters.retries, record.counters.losses), (0, 0));
    }
    assert!(
        app.broker()
            .workers()
            .await
            .unwrap()
            .iter()
            .all(|w| w.lease_left.is_none())
    );
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_long_before_its_grace_time() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let held = hold.submit(&app.broker(), ()).await.unwrap();
    let mut stopping = Process::start("work", &store, LONG);
    stopping.until("holding");
    // Its grace time is half a minute. Signals that come before the first is seen count as one.
    let ended = async {
        while stopping.child.try_wait().unwrap().is_none() {
            stopping.signal(Signal::TERM);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .unwrap();
    let record = app.broker().get(held.id()).await.unwrap().unwrap();
    assert_eq!((record.state, record.counters.retries), (State::Ready, 0));
}

#[tokio::test]
async fn a_message_that_kills_its_workers_ends_as_a_dead_letter_and_bystanders_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    let broker = app.broker();
    let poisoned = poison.submit(&broker, ()).await.unwrap().id();
    let mut bystanders = Vec::new();
    for n in 0..20 {
        bystanders.push(harmless.submit(&broker, (n,)).priority(1).await.unwrap());
    }
    let mut deaths = 0;
    while broker.statuses().get(poisoned).await.unwrap() != Status::Failed {
        let mut doomed = Process::start("work", &store, LONG);
        // Either it dies of the message, or (its waits being over) there is nothing to die of yet.
        tokio::time::timeout(SOON, dies_or_dead(&mut doomed, &app, poisoned))
            .await
            .unwrap();
        doomed.kill();
        app.store().rescue(1_000).await.unwrap();
        deaths += 1;
        assert!(deaths < 20, "it kills and kills");
        hurry(&app, poisoned).await;
    }
    let record = app.broker().get(poisoned).await.unwrap().unwrap();
    assert_eq!(record.reason, Some(FailReason::Lost));
    let worker = app.worker().start().await.unwrap();
    for (n, bystander) in bystanders.iter().enumerate() {
        assert_eq!(bystander.result(SOON).await.unwrap() as usize, n);
        let record = app.broker().get(bystander.id()).await.unwrap().unwrap();
        assert_eq!(record.counters.losses, 0);
    }
    worker.stop().await.unwrap();
}

async fn dies_or_dead(doomed: &mut Process, app: &App, poisoned: MessageId) {
    loop {
        if doomed.child.try_wait().unwrap().is_some() {
            return;
        }
        if app.broker().statuses().get(poisoned).await.unwrap() == Status::Failed {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Makes a message that waits out its backoff ready at once.
async fn hurry(app: &App, id: MessageId) {
    let now = towpath::Update {
        start: Some(towpath::Start::Now),
        ..towpath::Update::default()
    };
    match app.broker().update(id, now).await {
        Ok(()) => {}
        Err(error) if error.kind() == towpath::Kind::WrongState => {}
        Err(error) => panic!("{error}"),
    }
}
