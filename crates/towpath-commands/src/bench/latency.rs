//! From a submit in this process to the start of its handler in another, and what an idle worker costs this
//! machine and the server.

use std::time::Duration;

use towpath_core::store::{Bare, Yardstick};
use towpath_core::{Clock as _, SystemClock};
use towpath_runtime::Broker;

use super::figure::{Bound, Figure, Of, Spread, Unit, quantile};
use super::peer::Ask;
use super::remote::Remote;
use super::{Bench, Phase, bare, tasks};
use crate::exit::Result;

/// Messages per round.
const MESSAGES: usize = 300;
/// Between two of them: the worker is idle again by then.
const PAUSE: Duration = Duration::from_millis(8);
const IDLE: Duration = Duration::from_secs(4);

/// What the rounds gave; times in milliseconds.
#[derive(Default)]
struct Rounds {
    /// Of the bare loop, where there is one.
    own: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    most: Vec<f64>,
    /// Percent of a core.
    idle: Vec<f64>,
    /// A second, of all clients, where a server tells.
    commands: Vec<f64>,
}

/// What is wanted of p50 and p99: between processes of one machine, and over a server.
const HERE: [f64; 2] = [0.5, 5.0];
const ON_SERVER: [f64; 2] = [1.0, 10.0];

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    if !bench.ground.is_shared() {
        return Ok(Vec::new());
    }
    let site = bench.ground.fresh()?;
    let broker = Broker::new(bench.ground.open(&site)?);
    let mut worker = Remote::worker(&site).await?;
    // A bare loop has its store for itself.
    let apart = bench.ground.fresh()?;
    let mut server = bench.ground.bare(&apart, Bare::Own)?;
    let mut rounds = Rounds::default();
    let step = bench
        .progress
        .phase("latency between two processes", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        if let Some(mut alone) = bare::rested(bench, MESSAGES, rest).await? {
            rounds.own.push(quantile(&mut alone, 0.50));
        }
        let mut latencies = round(&broker, &mut worker).await?;
        rounds.p50.push(quantile(&mut latencies, 0.50));
        rounds.p99.push(quantile(&mut latencies, 0.99));
        rounds.most.push(quantile(&mut latencies, 1.0));
        let before = worker.ask(Ask::Cpu).await?.cpu_us;
        let sent_before = commands(&mut server)?;
        tokio::time::sleep(IDLE).await;
        let sent = commands(&mut server)?.zip(sent_before);
        let used = worker.ask(Ask::Cpu).await?.cpu_us - before;
        rounds.idle.push(used / (IDLE.as_secs_f64() * 1e6) * 100.0);
        let a_second = |(after, before): (u64, u64)| (after - before) as f64 / IDLE.as_secs_f64();
        rounds.commands.extend(sent.map(a_second));
        step.advance();
    }
    worker.stop().await?;
    broker.store().close().await?;
    let targets = if bench.ground.is_on_server() {
        ON_SERVER
    } else {
        HERE
    };
    Ok(rounds.figures(targets))
}

/// What was sent to the server so far; `None` where nobody tells.
fn commands(server: &mut Option<Box<dyn Yardstick>>) -> Result<Option<u64>> {
    match server {
        Some(server) => Ok(server.server_commands()?),
        None => Ok(None),
    }
}

impl Rounds {
    fn figures(self, [p50, p99]: [f64; 2]) -> Vec<Figure> {
        let figure = |what: &str, unit, values: &[f64]| {
            let value = Spread::of(values.iter().copied());
            Figure::new(Phase::Latency, what, unit, value)
        };
        let what = "submit to start elsewhere, idle worker: p50";
        let mut median = figure(what, Unit::Millis, &self.p50);
        if self.own.len() == self.p50.len() {
            // No thread waits for another there: what the engine takes for its two commits.
            median = median.beside_values("own, both commits", &self.p50, &self.own);
        }
        let what = "submit to start elsewhere, idle worker: p99";
        let late = figure(what, Unit::Millis, &self.p99);
        let what = "submit to start elsewhere, idle worker: max";
        let mut figures = vec![
            median.target(Of::Value, Bound::AtMost(p50)),
            late.target(Of::Value, Bound::AtMost(p99)),
            figure(what, Unit::Millis, &self.most),
            figure("an idle worker, of one core", Unit::Percent, &self.idle)
                .target(Of::Value, Bound::AtMost(0.5)),
        ];
        if !self.commands.is_empty() {
            let what = "commands of an idle worker and an idle producer";
            let commands = figure(what, Unit::Commands, &self.commands);
            figures.push(commands.target(Of::Value, Bound::AtMost(3.0)));
        }
        figures
    }
}

/// Spread, so that nothing that happens every few milliseconds is always met or always missed.
fn rest() -> Duration {
    PAUSE.mul_f64(0.5 + fastrand::f64())
}

/// One message at a time, each when the one before was run.
async fn round(broker: &Broker, worker: &mut Remote) -> Result<Vec<f64>> {
    let clock = SystemClock::new();
    let task = tasks::stamp();
    for _ in 0..MESSAGES {
        tokio::time::sleep(rest()).await;
        broker
            .submit_to(&task, tasks::nanos(clock.uptime()))
            .await?;
    }
    let mut latencies = Vec::with_capacity(MESSAGES);
    while latencies.len() < MESSAGES {
        tokio::time::sleep(PAUSE).await;
        latencies.extend(worker.ask(Ask::Latencies).await?.latencies_ms);
    }
    Ok(latencies)
}
