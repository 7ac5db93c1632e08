//! `worker`: runs messages until it is told to stop.

mod listen;
mod metrics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use towpath_core::{Kind, QueueName, TaskName};
use towpath_runtime::{App, Listen, MetricsSnapshot, StopReport};

use crate::demo;
use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::output::{age, escape};
use crate::shell;
use crate::store::is_private;
use crate::values::{duration, metrics_address};

/// Run messages until told to stop
///
/// Runs messages of the tasks that this program has; those of other tasks wait for a worker that has
/// them. Ctrl-C or SIGTERM stops it: it claims no more, gives back what it has not started, and lets
/// what runs finish within the grace time. A second signal ends it at once. Whatever happens to it, its
/// messages run elsewhere within 11 s.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath worker --allow-shell --concurrency 4
  towpath worker --queues urgent,mail --metrics 9090
  towpath worker --drain --log-level info
  towpath worker --state-dir /var/lib/towpath/work

With --json two lines: {\"event\": \"started\", \"pid\", \"store\", \"listens\", \"tasks\"} and {\"event\":
\"stopped\", \"ran_ms\", \"succeeded\", \"retried\", \"failed\", \"revoked\", \"lease_lost\", \"called_off\"}.")]
pub(crate) struct Args {
    /// Listen to these queues only, the first preferred over the second and so on
    #[arg(
        long,
        value_name = "QUEUE,…",
        value_delimiter = ',',
        conflicts_with = "subset"
    )]
    queues: Vec<QueueName>,
    /// Listen to these tasks of a queue, in order of preference; may be repeated for further queues
    #[arg(long, value_name = "QUEUE=TASK,…", value_parser = listen::subset)]
    subset: Vec<(QueueName, Vec<TaskName>)>,
    /// How many messages of async tasks run at once [default: 64]
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// How many messages of blocking tasks run at once, each on a thread [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// How many messages may be claimed ahead of what runs; 0 keeps the exact order [default: 500]
    #[arg(long, value_name = "N")]
    prefetch: Option<usize>,
    /// Stop when nothing is ready and nothing runs; what is scheduled for later is not waited for
    #[arg(long)]
    drain: bool,
    /// Have the tasks of `demo` as well
    #[arg(long)]
    demo: bool,
    /// Run the command lines of `submit --shell`
    ///
    /// Whoever can write to the store then runs programs as the user of this worker. Without the flag
    /// that is done only from an SQLite store in a directory that is the caller's own (mode 0700).
    #[arg(long)]
    allow_shell: bool,
    /// Where tasks write down clean-up that must outlive this process; made if it is not there
    ///
    /// Should this worker be killed, the next one on that directory does what was promised before it claims
    /// anything, and one that lives does so within seconds. Command lines that were running are then ended.
    /// Take one directory for all workers of a machine, on a disk of that machine.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    state_dir: Option<PathBuf>,
    /// Serve counters as Prometheus text under /metrics; a port alone means 127.0.0.1
    ///
    /// There is no access control: another address than that of this machine itself shows the counters
    /// to everybody who can reach it.
    #[arg(long, value_name = "ADDR", value_parser = metrics_address)]
    metrics: Option<SocketAddr>,
    /// How long running messages may go on once it is told to stop
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s",
          allow_hyphen_values = true)]
    grace: Duration,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Started {
        pid: u32,
        store: &'a str,
        listens: &'a str,
        tasks: Vec<TaskName>,
    },
    Stopped {
        ran_ms: u64,
        succeeded: u64,
        retried: u64,
        failed: u64,
        revoked: u64,
        lease_lost: u64,
        called_off: usize,
    },
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let app = with_state(with_tasks(env.app.clone(), &args), &args, env)?;
    let listen = listen::of(&args.queues, &args.subset);
    let listens = listen::in_words(&listen);
    let server = match args.metrics {
        Some(address) => Some(metrics::listen(address, env).await?),
        None => None,
    };
    let worker = build(&app, listen, &args).start().await.map_err(|error| {
        let no_tasks = error.kind() == Kind::NoTasks;
        let failure = Failure::from(error);
        if no_tasks {
            failure.hint("this program has no task for it: --allow-shell runs command lines, --demo the tasks of the demo")
        } else {
            failure
        }
    })?;
    let began = Instant::now();
    tell_start(&app, &listens, args.grace, env)?;
    let serving = server.map(|listener| tokio::spawn(metrics::serve(listener, app.clone())));
    let ended = if args.drain {
        worker.run_until_drained().await
    } else {
        worker.run_until_signal().await
    };
    shell::all_ended().await;
    if let Some(serving) = serving {
        serving.abort();
    }
    tell_end(app.metrics().snapshot(), began.elapsed(), &ended, env)?;
    ended?;
    Ok(Exit::Ok)
}

/// The app with the tasks that were asked for.
fn with_tasks(mut app: App, args: &Args) -> App {
    if args.demo {
        app = demo::tasks(app);
    }
    let has_own = app
        .task_names()
        .iter()
        .any(|task| task.as_str() == shell::NAME);
    if !has_own && (args.allow_shell || is_private(&**app.store())) {
        app = app.task(shell::task());
    }
    app
}

/// The app with the state directory that was asked for.
fn with_state(app: App, args: &Args, env: &Env) -> Result<App> {
    match &args.state_dir {
        None => Ok(app),
        Some(_) if app.has_scopes() => Err(Failure::usage(
            "this program names a state directory itself; --state-dir is for those that name none",
        )),
        Some(directory) => Ok(app.scopes((env.scopes)(directory)?)),
    }
}

fn build(app: &App, listen: Listen, args: &Args) -> towpath_runtime::WorkerBuilder {
    let mut builder = app.worker().listen(listen).grace(args.grace);
    if let Some(concurrency) = args.concurrency {
        builder = builder.concurrency(concurrency);
    }
    if let Some(threads) = args.threads {
        builder = builder.threads(threads);
    }
    if let Some(prefetch) = args.prefetch {
        builder = builder.prefetch(prefetch);
    }
    builder
}

fn tell_start(app: &App, listens: &str, grace: Duration, env: &Env) -> Result<()> {
    let (pid, store, tasks) = (std::process::id(), app.store().url(), app.task_names());
    if env.json() {
        env.out.json(&Event::Started {
            pid,
            store: &store,
            listens,
            tasks,
        })?;
    } else {
        let names: Vec<_> = tasks.iter().map(TaskName::as_str).collect();
        let line = format!(
            "worker {pid} listens to {listens} on {store} and runs {}; Ctrl-C stops it within {}",
            names.join(", "),
            age::exact(grace)
        );
        env.out.line(escape::line(&line))?;
    }
    env.out.flush()
}

fn tell_end(
    counted: MetricsSnapshot,
    ran: Duration,
    ended: &towpath_core::Result<StopReport>,
    env: &Env,
) -> Result<()> {
    let called_off = ended.as_ref().map_or(0, |report| report.called_off);
    let MetricsSnapshot {
        succeeded,
        retried,
        failed,
        revoked,
        lease_lost,
        ..
    } = counted;
    if env.json() {
        let ran_ms = u64::try_from(ran.as_millis()).unwrap_or(u64::MAX);
        let event = Event::Stopped {
            ran_ms,
            succeeded,
            retried,
            failed,
            revoked,
            lease_lost,
            called_off,
        };
        return env.out.json(&event);
    }
    let rest = [
        (revoked, "revoked"),
        (lease_lost, "lost to another worker"),
        (called_off as u64, "called off and given back"),
    ];
    let rest: String = rest
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    env.out.line(format_args!(
        "worker stopped after {}: {succeeded} succeeded, {retried} retried, {failed} failed{rest}",
        age::about(ran)
    ))
}
