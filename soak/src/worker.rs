//! A worker: tasks whose handlers and hooks write down what they see.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use towpath::store::Retention;
use towpath::{App, AttemptError, Context, Data, Payload, Policy, TaskError, Worker, task};

use crate::journal::{Journal, Kind, Name};
use crate::mix::Mix;
use crate::role::Work;

/// How long a worker tries to start. Freezes are far shorter.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Finished messages stay until they were looked up, however many they are.
pub(crate) fn keep_all() -> Retention {
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    Retention {
        succeeded: week,
        dead: week,
        succeeded_count: 1 << 40,
        dead_count: 1 << 40,
    }
}

pub(crate) async fn work(role: &Work) -> Result<()> {
    let cast = &role.cast;
    let journal =
        Journal::create(&cast.journal, cast.number).context("failed to begin a journal")?;
    let journal = Arc::new(journal);
    let app = App::new(towpath::open(&cast.store()?)?)
        .retention(keep_all())
        .data(Shared(journal.clone()))
        .on_error(|error| eprintln!("{error}"))
        .task(quick)
        .task(slow)
        .task(blocking)
        .task(delayed)
        .task(flaky)
        .task(summed)
        .task(large);
    let worker = start(&app, role.lease()).await?;
    let counting = tokio::spawn(count_lost(app.clone(), journal.clone()));
    worker.run_until_signal().await?;
    counting.abort();
    note_lost(&app, &journal, 0)?;
    Ok(())
}

/// Starts a worker as a careful program would: somebody who is frozen with the lock of the store's file
/// keeps it from starting for as long, and that passes.
async fn start(app: &App, lease: Duration) -> Result<Worker> {
    let since = Instant::now();
    loop {
        let worker = app.worker().threads(4).lease(lease, lease / 4);
        match worker.start().await {
            Err(error) if error.is_transient() && since.elapsed() < START_PATIENCE => {
                eprintln!("starting: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            started => return Ok(started?),
        }
    }
}

/// Writes down how many ends were refused, whenever that has grown: a worker that is killed cannot.
async fn count_lost(app: App, journal: Arc<Journal>) {
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        match note_lost(&app, &journal, before) {
            Ok(now) => before = now,
            Err(error) => eprintln!("writing a journal: {error}"),
        }
    }
}

fn note_lost(app: &App, journal: &Journal, before: u64) -> std::io::Result<u64> {
    let lost = app.metrics().snapshot().lease_lost;
    if lost > before {
        let number = u32::try_from(lost).unwrap_or(u32::MAX);
        journal.write(Kind::LeaseLost, Mix::Quick, Name::default(), number, 0)?;
    }
    Ok(lost)
}

/// The journal, as the handlers' shared data.
pub(crate) struct Shared(Arc<Journal>);

impl Shared {
    fn write(&self, kind: Kind, mix: Mix, ctx: &Context) -> Result<(), TaskError> {
        let token = ctx.token();
        let name = Name::from_id(token.id);
        Ok(self.0.write(kind, mix, name, token.claims, 0)?)
    }

    /// A body between its two records. A body that is dropped in the middle has no end.
    async fn run<T>(
        &self,
        mix: Mix,
        ctx: &Context,
        body: impl Future<Output = T>,
    ) -> Result<T, TaskError> {
        self.write(Kind::Began, mix, ctx)?;
        let output = body.await;
        self.write(Kind::Ended, mix, ctx)?;
        Ok(output)
    }
}

/// Writes down what the store accepted.
struct Witness(Mix);

impl Witness {
    fn saw(&self, kind: Kind, ctx: &Context) {
        let written = ctx
            .data::<Shared>()
            .and_then(|shared| shared.write(kind, self.0, ctx));
        if let Err(error) = written {
            eprintln!("writing a journal: {error}");
        }
    }
}

impl Policy for Witness {
    async fn on_success(&self, ctx: &Context, _output: &Payload) {
        self.saw(Kind::Settled, ctx);
    }

    async fn on_retry(&self, ctx: &Context, _error: &AttemptError) {
        self.saw(Kind::Retried, ctx);
    }

    async fn on_failure(&self, ctx: &Context, error: &AttemptError) {
        eprintln!("{} failed: {}", ctx.token(), error.text);
        self.saw(Kind::Failed, ctx);
    }
}

#[task(policy = Witness(Mix::Quick))]
pub(crate) async fn quick(ctx: Context, shared: Data<Shared>, n: u32) -> Result<(), TaskError> {
    let _ = n;
    shared.run(Mix::Quick, &ctx, async {}).await
}

#[task(policy = Witness(Mix::Slow))]
pub(crate) async fn slow(ctx: Context, shared: Data<Shared>, millis: u32) -> Result<(), TaskError> {
    let wait = Duration::from_millis(millis.into());
    shared.run(Mix::Slow, &ctx, tokio::time::sleep(wait)).await
}

#[task(mechanism = "thread", policy = Witness(Mix::Blocking))]
pub(crate) fn blocking(ctx: Context, shared: Data<Shared>, millis: u32) -> Result<(), TaskError> {
    shared.write(Kind::Began, Mix::Blocking, &ctx)?;
    std::thread::sleep(Duration::from_millis(millis.into()));
    shared.write(Kind::Ended, Mix::Blocking, &ctx)
}

#[task(policy = Witness(Mix::Delayed))]
pub(crate) async fn delayed(ctx: Context, shared: Data<Shared>, n: u32) -> Result<(), TaskError> {
    let _ = n;
    shared.run(Mix::Delayed, &ctx, async {}).await
}

#[task(max_retries = 3, backoff = constant("200ms"), policy = Witness(Mix::Flaky))]
pub(crate) async fn flaky(ctx: Context, shared: Data<Shared>, n: u32) -> Result<u32, TaskError> {
    if ctx.retries() > 0 {
        return shared.run(Mix::Flaky, &ctx, async { n }).await;
    }
    shared.write(Kind::Began, Mix::Flaky, &ctx)?;
    shared.write(Kind::AskedRetry, Mix::Flaky, &ctx)?;
    Err(TaskError::msg("not the first time"))
}

#[task(policy = Witness(Mix::Summed))]
pub(crate) async fn summed(
    ctx: Context,
    shared: Data<Shared>,
    a: u32,
    b: u32,
) -> Result<u32, TaskError> {
    shared.run(Mix::Summed, &ctx, async { a + b }).await
}

#[task(policy = Witness(Mix::Large))]
pub(crate) async fn large(
    ctx: Context,
    shared: Data<Shared>,
    text: String,
) -> Result<usize, TaskError> {
    shared.run(Mix::Large, &ctx, async { text.len() }).await
}
