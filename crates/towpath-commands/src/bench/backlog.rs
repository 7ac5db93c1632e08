//! A claim behind millions of messages that are none of its own, and a worker's memory there.

use std::sync::Arc;
use std::time::Duration;

use towpath_runtime::{App, Broker};

use super::claims::{Claims, PRIORITY};
use super::figure::{Bound, Figure, Of, Spread, Unit, quantile};
use super::fill::fill;
use super::ground::Site;
use super::peer::Ask;
use super::remote::Remote;
use super::{Bench, Phase, tasks};
use crate::exit::Result;

/// Claims per round.
const CLAIMS: usize = 500;
/// What the worker runs whose memory is looked at.
const WORK: usize = 20_000;
/// Not within the time of a bench.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);
const MEMORY_MIB: f64 = 64.0;

struct Yard {
    what: &'static str,
    site: Site,
    app: App,
    claims: Claims,
    p50: Vec<f64>,
}

impl Yard {
    async fn new(bench: &Bench<'_>, what: &'static str) -> Result<Self> {
        let site = bench.ground.fresh()?;
        let app = bench.ground.app(&site, &Arc::default())?;
        let claims = Claims::on(app.store().clone()).await?;
        Ok(Self {
            what,
            site,
            app,
            claims,
            p50: Vec::new(),
        })
    }
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let waiting = bench.args.backlog;
    let text = bench.text();
    let step = bench.progress.phase("backlog: filling the stores", 3);
    let empty = Yard::new(bench, "an empty store").await?;
    let aside = Yard::new(bench, "as many ready in another queue and as many delayed").await?;
    elsewhere(&aside.app.broker(), waiting, &text).await?;
    step.advance();
    later(&aside.app.broker(), waiting, &text).await?;
    step.advance();
    let before = Yard::new(bench, "as many of an unknown task at better priority").await?;
    unknown(&before.app.broker(), waiting, &text).await?;
    step.advance();

    let mut yards = [empty, aside, before];
    let step = bench.progress.phase("backlog: claims", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        for yard in &mut yards {
            let mut times = yard.claims.many(CLAIMS).await?;
            yard.p50.push(quantile(&mut times, 0.50));
        }
        step.advance();
    }
    let mut figures = claims(&yards, waiting);
    if bench.ground.is_shared() {
        for yard in &yards[1..] {
            figures.push(memory(bench, yard).await?);
        }
    }
    for yard in yards {
        yard.app.store().close().await?;
    }
    Ok(figures)
}

fn claims(yards: &[Yard], waiting: usize) -> Vec<Figure> {
    let [empty, others @ ..] = yards else {
        return Vec::new();
    };
    let figure = |yard: &Yard| {
        let what = format!("claim p50, {waiting}: {}", yard.what);
        Figure::new(
            Phase::Backlog,
            what,
            Unit::Millis,
            Spread::of(yard.p50.iter().copied()),
        )
    };
    let mut figures = vec![Figure::new(
        Phase::Backlog,
        "claim p50, an empty store",
        Unit::Millis,
        Spread::of(empty.p50.iter().copied()),
    )];
    figures.extend(others.iter().map(|yard| {
        figure(yard)
            .beside_values("empty store", &yard.p50, &empty.p50)
            .target(Of::Ratio, Bound::AtMost(1.5))
    }));
    figures
}

/// What a worker of its own process had in memory at most, after some work behind the backlog.
async fn memory(bench: &Bench<'_>, yard: &Yard) -> Result<Figure> {
    let _step = bench.progress.phase("backlog: the memory of a worker", 1);
    let mut worker = Remote::worker(&yard.site).await?;
    let (broker, task, text) = (yard.app.broker(), tasks::nothing(), bench.text());
    fill(&broker, WORK, |_| {
        broker
            .submit_to(&task, text.clone())
            .priority(PRIORITY)
            .draft()
    })
    .await?;
    while worker.ask(Ask::Handled).await?.handled < WORK as u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let bytes = worker.ask(Ask::Memory).await?.memory_bytes;
    worker.stop().await?;
    let what = format!("memory of a worker: {}", yard.what);
    let mib = bytes as f64 / (1024.0 * 1024.0);
    let figure = Figure::new(Phase::Backlog, what, Unit::Mib, Spread::one(mib));
    Ok(figure.target(Of::Max, Bound::AtMost(MEMORY_MIB)))
}

async fn elsewhere(broker: &Broker, waiting: usize, text: &str) -> Result<()> {
    let task = tasks::unknown();
    let draft = |_| {
        broker
            .submit_to(&task, text.to_owned())
            .queue("elsewhere")
            .draft()
    };
    fill(broker, waiting, draft).await
}

async fn later(broker: &Broker, waiting: usize, text: &str) -> Result<()> {
    let task = tasks::nothing();
    let draft = |n: usize| {
        let delay = LATER + Duration::from_millis(n as u64);
        broker
            .submit_to(&task, text.to_owned())
            .delay(delay)
            .draft()
    };
    fill(broker, waiting, draft).await
}

async fn unknown(broker: &Broker, waiting: usize, text: &str) -> Result<()> {
    let task = tasks::unknown();
    let draft = |_| broker.submit_to(&task, text.to_owned()).priority(0).draft();
    fill(broker, waiting, draft).await
}
