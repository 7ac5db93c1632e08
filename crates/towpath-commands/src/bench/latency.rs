//! From a submit in this process to the start of its handler in another, and what an idle worker costs.

use std::time::Duration;

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

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    if !bench.ground.is_shared() {
        return Ok(Vec::new());
    }
    let site = bench.ground.fresh()?;
    let broker = Broker::new(bench.ground.open(&site)?);
    let mut worker = Remote::worker(&site).await?;
    let (mut p50, mut p99, mut most, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut own = Vec::new();
    let step = bench
        .progress
        .phase("latency between two processes", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        if let Some(mut alone) = bare::rested(bench, MESSAGES, rest).await? {
            own.push(quantile(&mut alone, 0.50));
        }
        let mut latencies = round(&broker, &mut worker).await?;
        p50.push(quantile(&mut latencies, 0.50));
        p99.push(quantile(&mut latencies, 0.99));
        most.push(quantile(&mut latencies, 1.0));
        let before = worker.ask(Ask::Cpu).await?.cpu_us;
        tokio::time::sleep(IDLE).await;
        let used = worker.ask(Ask::Cpu).await?.cpu_us - before;
        idle.push(used / (IDLE.as_secs_f64() * 1e6) * 100.0);
        step.advance();
    }
    worker.stop().await?;
    broker.store().close().await?;
    let figure = |what: &str, unit, values: Vec<f64>| {
        Figure::new(Phase::Latency, what, unit, Spread::of(values))
    };
    let mut median = figure(
        "submit to start elsewhere, idle worker: p50",
        Unit::Millis,
        p50.clone(),
    );
    if own.len() == p50.len() {
        // No thread waits for another there: what the engine takes for its two commits.
        median = median.beside_values("own, both commits", &p50, &own);
    }
    Ok(vec![
        median.target(Of::Value, Bound::AtMost(0.5)),
        figure(
            "submit to start elsewhere, idle worker: p99",
            Unit::Millis,
            p99,
        )
        .target(Of::Value, Bound::AtMost(5.0)),
        figure(
            "submit to start elsewhere, idle worker: max",
            Unit::Millis,
            most,
        ),
        figure("an idle worker, of one core", Unit::Percent, idle)
            .target(Of::Value, Bound::AtMost(0.5)),
    ])
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
