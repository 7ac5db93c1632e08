//! Several worker processes on one store, beside one.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::{Clock as _, QueueName, SystemClock};

use super::figure::{Bound, Figure, Of, Spread, Unit};
use super::ground::Site;
use super::peer::Ask;
use super::remote::Remote;
use super::{Bench, Phase, runtime};
use crate::exit::Result;

const WORKERS: usize = 4;
/// Between two looks at what is done; the end is told by the workers' own clocks.
const LOOK: Duration = Duration::from_millis(50);

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    if !bench.ground.is_shared() {
        return Ok(Vec::new());
    }
    let (mut one, mut several) = (Vec::new(), Vec::new());
    let step = bench
        .progress
        .phase("several worker processes", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        one.push(drain(bench, 1).await?);
        several.push(drain(bench, WORKERS).await?);
        step.advance();
    }
    let rate = |values: &[f64]| Spread::of(values.iter().copied());
    let what = |n: &str| format!("drain by {n} on one store");
    Ok(vec![
        Figure::new(
            Phase::Processes,
            what("one worker process"),
            Unit::PerSecond,
            rate(&one),
        ),
        Figure::new(
            Phase::Processes,
            what("four worker processes"),
            Unit::PerSecond,
            rate(&several),
        )
        .beside_values("one", &several, &one)
        .target(Of::Ratio, Bound::AtLeast(0.70)),
    ])
}

/// Messages per second, from the moment the queue is opened to the start of the last message.
async fn drain(bench: &Bench<'_>, workers: usize) -> Result<f64> {
    let site = bench.ground.fresh()?;
    let app = bench.ground.app(&site, &Arc::default())?;
    let (broker, messages) = (app.broker(), bench.args.messages);
    let queue = QueueName::default();
    broker.pause(queue.clone()).await?;
    runtime::bulk(&app, messages, &bench.text()).await?;
    let mut peers = start(&site, workers).await?;
    let began = SystemClock::new().uptime();
    broker.resume(queue).await?;
    let last = loop {
        tokio::time::sleep(LOOK).await;
        let (mut handled, mut last) = (0, 0);
        for peer in &mut peers {
            let tell = peer.ask(Ask::Handled).await?;
            handled += tell.handled;
            last = last.max(tell.last_ns);
        }
        if handled >= messages as u64 {
            break Duration::from_nanos(last);
        }
    };
    for peer in peers {
        peer.stop().await?;
    }
    app.store().close().await?;
    Ok(messages as f64 / last.saturating_sub(began).as_secs_f64())
}

async fn start(site: &Site, workers: usize) -> Result<Vec<Remote>> {
    let mut peers = Vec::with_capacity(workers);
    for _ in 0..workers {
        peers.push(Remote::worker(site).await?);
    }
    Ok(peers)
}
