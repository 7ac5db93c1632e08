//! `queues`: what waits where, and stopping and starting a queue.

use clap::Subcommand;
use serde::Serialize;
use towpath_core::store::{LineCount, QueueRecord, StateCounts, WorkerRecord};
use towpath_core::{QueueName, TaskName, Timestamp};

use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::{Table, age, escape};

/// List the queues, or pause one
///
/// Lists each queue that holds ready messages or is paused, with the tasks they are for, and says which
/// of them no connected worker knows. Counts may be two seconds old.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath queues
  towpath queues pause mail
  towpath queues resume mail

With --json: {\"queues\": [{\"queue\", \"paused\", \"ready\", \"oldest_ready_at_ms\", \"tasks\": [{\"task\", \"ready\",
\"head_ready_at_ms\", \"known\"}]}], \"counts\": {\"scheduled\", \"ready\", \"running\", \"succeeded\", \"failed\", \"revoked\"}}")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stop handing out the messages of a queue; what runs goes on
    ///
    /// Messages can still be submitted to it. With --json: {"queue", "paused", "changed"}
    Pause {
        /// The queue, by its exact name
        queue: QueueName,
    },
    /// Hand out the messages of a paused queue again
    ///
    /// With --json: {"queue", "paused", "changed"}
    Resume {
        /// The queue, by its exact name
        queue: QueueName,
    },
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    match args.command {
        None => list(env).await,
        Some(Command::Pause { queue }) => switch(queue, true, env).await,
        Some(Command::Resume { queue }) => switch(queue, false, env).await,
    }
}

#[derive(Serialize)]
struct View<'a> {
    queues: Vec<QueueView<'a>>,
    counts: StateCounts,
}

#[derive(Serialize)]
struct QueueView<'a> {
    queue: &'a QueueName,
    paused: bool,
    ready: u64,
    oldest_ready_at_ms: Option<Timestamp>,
    tasks: Vec<LineView<'a>>,
}

#[derive(Serialize)]
struct LineView<'a> {
    #[serde(flatten)]
    line: &'a LineCount,
    /// Whether a worker that is connected knows the task: without one its messages wait for ever.
    known: bool,
}

impl<'a> QueueView<'a> {
    fn new(record: &'a QueueRecord, knows: impl Fn(&TaskName) -> bool) -> Self {
        Self {
            queue: &record.queue,
            paused: record.paused,
            ready: record.lines.iter().map(|line| line.ready).sum(),
            oldest_ready_at_ms: record
                .lines
                .iter()
                .filter_map(|line| line.head_ready_at)
                .min(),
            tasks: record
                .lines
                .iter()
                .map(|line| LineView {
                    line,
                    known: knows(&line.task),
                })
                .collect(),
        }
    }

    /// Its tasks that have messages ready, the fullest first.
    fn tasks_in_words(&self) -> String {
        let mut tasks: Vec<_> = self
            .tasks
            .iter()
            .filter(|task| task.line.ready > 0)
            .collect();
        tasks.sort_by_key(|task| std::cmp::Reverse(task.line.ready));
        let words = tasks.iter().map(|LineView { line, known }| {
            let unknown = if *known {
                ""
            } else {
                " (no connected worker knows it)"
            };
            format!("{} {}{unknown}", line.ready, line.task)
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

async fn list(env: &Env) -> Result {
    let broker = env.broker();
    let records = broker.queues().await?;
    let counts = broker.counts().await?;
    let workers = broker.workers().await?;
    let alive = |worker: &&WorkerRecord| worker.lease_left.is_some();
    let knows = |task: &TaskName| workers.iter().filter(alive).any(|w| w.tasks.contains(task));
    let queues: Vec<_> = records
        .iter()
        .map(|record| QueueView::new(record, knows))
        .collect();
    if env.json() {
        env.out.json(&View { queues, counts })?;
        return Ok(Exit::Ok);
    }
    let now = env.app.store().now().await?;
    let mut table = Table::new(["QUEUE", "READY", "OLDEST", "PAUSED", "TASKS"]);
    for queue in &queues {
        let oldest = queue.oldest_ready_at_ms;
        table.row([
            queue.queue.to_string(),
            queue.ready.to_string(),
            oldest.map_or_else(|| "-".to_owned(), |since| age::about(now.since(since))),
            if queue.paused { "paused" } else { "-" }.to_owned(),
            queue.tasks_in_words(),
        ]);
    }
    env.out.table(&table, "no queue holds a ready message")?;
    let StateCounts {
        scheduled,
        ready,
        running,
        succeeded,
        failed,
        revoked,
    } = counts;
    env.out.line(format_args!(
        "\n{scheduled} scheduled, {ready} ready, {running} running, {succeeded} succeeded, {failed} failed, {revoked} revoked"
    ))?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct Switched<'a> {
    queue: &'a QueueName,
    paused: bool,
    changed: bool,
}

async fn switch(queue: QueueName, paused: bool, env: &Env) -> Result {
    let broker = env.broker();
    let changed = if paused {
        broker.pause(queue.clone()).await?
    } else {
        broker.resume(queue.clone()).await?
    };
    if env.json() {
        env.out.json(&Switched {
            queue: &queue,
            paused,
            changed,
        })?;
        return Ok(Exit::Ok);
    }
    let name = escape::line(queue.as_str());
    env.out.line(match (paused, changed) {
        (true, true) => format!("queue {name} is paused; what runs goes on"),
        (true, false) => format!("queue {name} was paused before"),
        (false, true) => format!("queue {name} hands out messages again"),
        (false, false) => format!("queue {name} was not paused"),
    })?;
    Ok(Exit::Ok)
}
