//! The size of the store's file after many messages came and went, and of its log meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use towpath_core::store::Retention;
use towpath_runtime::App;

use super::figure::{Bound, Figure, Of, Spread, Unit};
use super::fill::{BULK, fill};
use super::ground::Site;
use super::peer::Ask;
use super::remote::Remote;
use super::tasks::Seen;
use super::{Bench, Phase, tasks};
use crate::exit::Result;

/// Of those that come and go, so many are under way at once.
const UNDER_WAY: usize = 10_000;
/// What stays all the while: a tenth of what comes and goes.
const STAYS: usize = 10;
const LATER: Duration = Duration::from_secs(24 * 60 * 60);
const LOG_MIB: f64 = 64.0;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let site = bench.ground.fresh()?;
    if site.sizes().is_none() {
        return Ok(Vec::new());
    }
    let (messages, stays) = (bench.args.backlog, bench.args.backlog / STAYS);
    let step = bench.progress.phase("files: messages come and go", 1);
    stay(bench, &site, stays).await?;
    let live = mib(&site).0;
    let (log, rate) = come_and_go(bench, &site, messages).await?;
    let after = mib(&site).0;
    step.advance();
    let what = format!(
        "file after {messages} came and went beside {stays} that stay and {UNDER_WAY} under way"
    );
    let what_log = "log at most, meanwhile, with another process that reads on and on";
    Ok(vec![
        Figure::new(Phase::Files, what, Unit::Mib, Spread::one(after))
            .beside_values("what lives all the while", &[after], &[live])
            .target(Of::Ratio, Bound::AtMost(1.5)),
        Figure::new(Phase::Files, what_log, Unit::Mib, Spread::one(log))
            .target(Of::Max, Bound::AtMost(LOG_MIB)),
        Figure::new(
            Phase::Files,
            "submitted, run and pruned, all at once",
            Unit::PerSecond,
            Spread::one(rate),
        ),
    ])
}

/// What lives all the while: messages that wait for another day, and those under way.
async fn stay(bench: &Bench<'_>, site: &Site, stays: usize) -> Result<()> {
    let app = bench.ground.app(site, &Arc::default())?;
    let (broker, task, text) = (app.broker(), tasks::nothing(), bench.text());
    fill(&broker, stays, |_| {
        broker.submit_to(&task, text.clone()).delay(LATER).draft()
    })
    .await?;
    fill(&broker, UNDER_WAY, |_| {
        broker.submit_to(&task, text.clone()).draft()
    })
    .await?;
    app.store().close().await?;
    Ok(())
}

/// Answers how large the log was at most, in MiB, and how many messages went through in a second.
async fn come_and_go(bench: &Bench<'_>, site: &Site, messages: usize) -> Result<(f64, f64)> {
    let seen = Arc::new(Seen::default());
    let app = bench.ground.app(site, &seen)?.retention(Retention {
        succeeded: Duration::from_millis(1),
        ..Retention::default()
    });
    let mut reader = Remote::start(site)?;
    reader.ask(Ask::Look).await?;
    let began = Instant::now();
    let worker = app.worker().start().await?;
    let (broker, task, text) = (app.broker(), tasks::nothing(), bench.text());
    let (mut submitted, mut log) = (UNDER_WAY, 0.0f64);
    while submitted < messages {
        let count = BULK.min(messages - submitted);
        let draft = |_| broker.submit_to(&task, text.clone()).draft();
        fill(&broker, count, draft).await?;
        submitted += count;
        log = log.max(mib(site).1);
        while seen.handled().0 + (UNDER_WAY as u64) < submitted as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            log = log.max(mib(site).1);
        }
    }
    worker.drained().await;
    until_pruned(&app, site, &mut log).await?;
    let rate = messages as f64 / began.elapsed().as_secs_f64();
    reader.stop().await?;
    worker.stop().await?;
    app.store().close().await?;
    Ok((log, rate))
}

/// The worker's own upkeep prunes; this only waits, and helps where it rests between two rounds.
async fn until_pruned(app: &App, site: &Site, log: &mut f64) -> Result<()> {
    while app
        .store()
        .prune(towpath_core::limits::UPKEEP_ROWS)
        .await?
        .more
    {
        *log = log.max(mib(site).1);
    }
    Ok(())
}

/// The file and its log.
fn mib(site: &Site) -> (f64, f64) {
    let (file, log) = site.sizes().unwrap_or_default();
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    (mib(file), mib(log))
}
