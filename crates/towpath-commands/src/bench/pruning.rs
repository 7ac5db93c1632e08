//! A drain while finished messages are pruned, beside one where none are to be.

use std::sync::Arc;
use std::time::Duration;

use super::figure::{Bound, Figure, Of};
use super::fill::fill;
use super::meter::Sample;
use super::tasks::Seen;
use super::{Bench, Phase, bare, runtime, tasks};
use crate::exit::Result;

/// Kept so short that all are to be pruned by the time of the drain.
const OVER: Duration = Duration::from_millis(1);
const KEPT: Duration = Duration::from_secs(3_600);

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (mut pruning, mut quiet) = (Vec::new(), Vec::new());
    let step = bench
        .progress
        .phase("a drain while others are pruned", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        quiet.push(drain(bench, KEPT).await?);
        bare::settle_down().await;
        pruning.push(drain(bench, OVER).await?);
        bare::settle_down().await;
        step.advance();
    }
    let what = format!(
        "drain while {} finished messages are pruned",
        bench.args.messages
    );
    Ok(vec![
        Figure::rate(Phase::Pruning, what, &pruning)
            .beside("nothing to prune", &pruning, &quiet)
            .target(Of::Ratio, Bound::AtLeast(0.90)),
    ])
}

/// Drains as many messages as have finished before, which were to be kept that long.
async fn drain(bench: &Bench<'_>, kept: Duration) -> Result<Sample> {
    let site = bench.ground.fresh()?;
    let app = bench.ground.app(&site, &Arc::default())?;
    let (broker, task, text) = (app.broker(), tasks::nothing(), bench.text());
    let messages = bench.args.messages;
    fill(&broker, messages, |_| {
        broker
            .submit_to(&task, text.clone())
            .result_ttl(kept)
            .draft()
    })
    .await?;
    // A worker prunes when it starts and then now and then: this one finds nothing yet.
    let worker = app.worker().start().await?;
    worker.drained().await;
    worker.stop().await?;
    app.store().close().await?;

    let seen = Arc::new(Seen::default());
    let app = bench.ground.app(&site, &seen)?;
    runtime::bulk(&app, messages, &text).await?;
    let sample = runtime::drain(&app, &seen, messages).await?;
    app.store().close().await?;
    Ok(sample)
}
