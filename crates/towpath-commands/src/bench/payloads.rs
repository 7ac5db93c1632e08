//! Large payloads: a drain beside the bare loop.

use std::sync::Arc;

use towpath_core::store::Bare;

use super::bare::{self, Load};
use super::figure::{Bound, Figure, Of};
use super::tasks::Seen;
use super::{Bench, Phase, runtime};
use crate::exit::Result;

const BYTES: usize = 100_000;
const BATCH: usize = 100;
/// So many times fewer messages than elsewhere.
const FEWER: usize = 50;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let load = Load {
        messages: (bench.args.messages / FEWER).max(BATCH),
        batch: BATCH,
        under_way: 1,
        payload: BYTES,
    };
    let text = "x".repeat(BYTES - 2);
    let (mut submits, mut drains, mut own) = (Vec::new(), Vec::new(), Vec::new());
    let step = bench
        .progress
        .phase("payloads of 100 KB", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        own.push(bare::run(bench, Bare::Own, load).await?);
        bare::settle_down().await;
        let site = bench.ground.fresh()?;
        let seen = Arc::new(Seen::default());
        let app = bench.ground.app(&site, &seen)?;
        app.store().submit(Vec::new()).await?;
        submits.push(runtime::bulk(&app, load.messages, &text).await?);
        drains.push(runtime::drain(&app, &seen, load.messages).await?);
        app.store().close().await?;
        drop(site);
        bare::settle_down().await;
        step.advance();
    }
    let mut submit = Figure::rate(Phase::Payloads, "submit, 100 KB, bulk of 1,000", &submits);
    let mut drain = Figure::rate(Phase::Payloads, "drain, 100 KB", &drains);
    let name = format!("own, batches of {BATCH}");
    if let Some(own) = bare::samples(&own, |run| run.submit) {
        submit = submit.beside(&name, &submits, &own);
    }
    if let Some(own) = bare::samples(&own, |run| run.exchange) {
        drain = drain
            .beside(&name, &drains, &own)
            .target(Of::Ratio, Bound::AtLeast(0.50));
    }
    Ok(vec![submit, drain])
}
