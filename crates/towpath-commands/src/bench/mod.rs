//! `bench`: how fast the store and the runtime are here, beside what the engine can do at most.
//!
//! [`run`] is the story: `ground` makes fresh stores and removes them, each phase has a file and answers
//! figures, `report` and `plot` show them. A round runs every contender once, in turn, so that what else
//! happens on the machine hits all of them; a figure is the median of its rounds, and its ratio to a
//! contender the median of the ratios within a round.

mod backlog;
mod bare;
mod claims;
mod figure;
mod files;
mod fill;
mod flood;
mod ground;
mod hand;
mod latency;
mod layout;
mod looks;
mod meter;
mod payloads;
mod peer;
mod plot;
mod processes;
mod progress;
mod pruning;
mod remote;
mod report;
mod runtime;
mod server;
mod steady;
mod tasks;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use towpath_core::StoreUrl;

use crate::exit::{Exit, Result};
use crate::output::Out;
use crate::run::Setup;
use crate::values::duration;

use self::figure::Figure;
use self::ground::Ground;
use self::progress::Progress;

pub(crate) use self::peer::Args as PeerArgs;
pub(crate) use self::peer::run as run_peer;
pub(crate) use self::remote::COMMAND as PEER_COMMAND;

/// Measure how fast this machine submits and runs messages
///
/// Runs each phase on fresh stores that are removed afterwards; an existing store is never touched.
/// Without --store they are SQLite files in the directory for temporary files; --store sqlite:PATH puts
/// them beside PATH, to measure the disk that is there, and --store memory: measures the store in memory.
/// On a server each is a namespace of its own, which is cleared afterwards.
///
/// Rates stand beside two bare loops on the same engine, run in turn with it: `own` does exactly the
/// store's statements with nothing around them, `L4` (SQLite) is the leanest layout known, with no status,
/// no result and no way to a message by its id. RATIO is the median over the rounds, with the smallest and
/// the largest; where it differs by more than 1.5 times among the rounds the machine was busy with other
/// things, and the ratio of CPU time, marked `cpu`, is the one to look at. Other processes of this program
/// are started for some phases.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath bench                                  the phases that take seconds
  towpath bench latency                          only how soon a message starts in another process
  towpath bench --all --json > bench.json        everything, some of it with millions of messages
  towpath bench layout --plot batches.svg        a picture of throughput against batch size

With --json: {\"at_ms\", \"version\", \"machine\", \"store\", \"rounds\", \"figures\": [{\"phase\", \"what\", \"unit\",
\"value\": {\"median\", \"min\", \"max\"}, \"cpu_us\"?, \"beside\"?: {\"name\", \"value\", \"ratio\", \"cpu_ratio\"?,
\"decided_by\"}, \"target\"?: {\"of\", \"at_least\"? | \"at_most\"?}, \"met\"?}]}; rates are messages per second.")]
pub(crate) struct Args {
    /// Only these phases [default: layout runtime latency processes payloads]
    #[arg(value_name = "PHASE", value_enum)]
    phases: Vec<Phase>,

    /// All phases, also those that take minutes
    #[arg(long, conflicts_with = "phases")]
    all: bool,

    /// How often each contender is measured
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=100))]
    rounds: usize,

    /// Messages per measurement; a fifth of it where they go one by one
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = RangedU64ValueParser::<usize>::new().range(1_000..=10_000_000))]
    messages: usize,

    /// How many messages wait in the phases backlog, files, looks and flood
    #[arg(long, value_name = "N", default_value_t = 1_000_000,
          value_parser = RangedU64ValueParser::<usize>::new().range(1_000..=100_000_000))]
    backlog: usize,

    /// Bytes of each message's payload
    #[arg(long, value_name = "BYTES", default_value_t = 100,
          value_parser = RangedU64ValueParser::<usize>::new().range(2..=65_536))]
    payload: usize,

    /// Messages per second in the phase steady
    #[arg(long, value_name = "N", default_value_t = 2_000,
          value_parser = RangedU64ValueParser::<u32>::new().range(20..=100_000))]
    steady_rate: u32,

    /// How long the phase steady takes; a snapshot is held for three tenths of it
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    steady_for: Duration,

    /// Draw the throughput against the batch size into this SVG file (phase layout)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Submit and settle + claim against batch size: the store and both bare loops
    Layout,
    /// Submit by one caller, by 64 and in bulk, and a drain with results, through the runtime
    Runtime,
    /// From a submit here to the handler's start in another process; the cost of an idle worker
    Latency,
    /// Four worker processes on one store beside one
    Processes,
    /// Payloads of 100 KB
    Payloads,
    /// A claim behind millions of other messages, and the memory of a worker there
    Backlog,
    /// The size of the store after many messages came and went, and of its log meanwhile
    Files,
    /// A drain while finished messages are pruned
    Pruning,
    /// What a message costs a server in CPU time, submit to settle (Redis)
    Server,
    /// Messages that become due all at once beside as many delayed: memory, longest script, drain (Redis)
    Flood,
    /// Lists by filter over many messages, claims meanwhile, and the command `status`
    Looks,
    /// Minutes at a steady rate while somebody holds a snapshot: sizes and claims (Postgres)
    Steady,
}

impl Phase {
    const QUICK: [Phase; 5] = [
        Phase::Layout,
        Phase::Runtime,
        Phase::Latency,
        Phase::Processes,
        Phase::Payloads,
    ];
}

/// What every phase is handed.
struct Bench<'a> {
    ground: Ground,
    args: &'a Args,
    progress: Progress,
}

impl Bench<'_> {
    /// The text of a payload: a JSON string of as many bytes as were asked for, quotes included.
    fn text(&self) -> String {
        "x".repeat(self.args.payload - 2)
    }
}

/// Runs the bench.
pub(crate) async fn run(
    args: Args,
    setup: Setup,
    store: Option<StoreUrl>,
    out: &Out,
) -> Result<Exit> {
    let bench = Bench {
        ground: Ground::new(setup, store)?,
        args: &args,
        progress: Progress::new(out.json),
    };
    let figures = tokio::select! {
        figures = measure(&bench) => figures?,
        interrupt = tokio::signal::ctrl_c() => {
            interrupt.map_err(|e| crate::exit::Failure::usage(format!("no signals here: {e}")))?;
            bench.progress.clear();
            return Ok(Exit::Failure);
        }
    };
    bench.progress.clear();
    if let Some(path) = &args.plot {
        plot::draw(path, &figures)?;
    }
    report::print(&bench, &figures, out)?;
    Ok(Exit::Ok)
}

async fn measure(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for phase in phases(bench.args) {
        let measured = match phase {
            Phase::Layout => layout::run(bench).await,
            Phase::Runtime => runtime::run(bench).await,
            Phase::Latency => latency::run(bench).await,
            Phase::Processes => processes::run(bench).await,
            Phase::Payloads => payloads::run(bench).await,
            Phase::Backlog => Box::pin(backlog::run(bench)).await,
            Phase::Files => Box::pin(files::run(bench)).await,
            Phase::Pruning => Box::pin(pruning::run(bench)).await,
            Phase::Server => Box::pin(server::run(bench)).await,
            Phase::Flood => Box::pin(flood::run(bench)).await,
            Phase::Looks => Box::pin(looks::run(bench)).await,
            Phase::Steady => Box::pin(steady::run(bench)).await,
        };
        figures.extend(measured?);
    }
    Ok(figures)
}

fn phases(args: &Args) -> Vec<Phase> {
    if args.all {
        return Phase::value_variants().to_vec();
    }
    if args.plot.is_some() && args.phases.is_empty() {
        return vec![Phase::Layout];
    }
    if args.phases.is_empty() {
        return Phase::QUICK.to_vec();
    }
    args.phases.clone()
}
