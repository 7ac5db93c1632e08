//! The runtime beside the bare loop of the same statements: submits and a drain with results.

use std::sync::Arc;

use towpath_core::store::Bare;
use towpath_core::{Error, Kind};
use towpath_runtime::App;

use super::bare::{self, Load, Run};
use super::figure::{Bound, Figure, Of};
use super::fill::{BULK, fill};
use super::meter::{Meter, Sample};
use super::tasks::{self, Seen};
use super::{Bench, Phase};
use crate::exit::Result;

const CALLERS: usize = 64;
/// The batch of the bare loop beside a drain.
const DRAIN: usize = 100;

/// What is measured, and beside what.
struct Scene {
    what: &'static str,
    /// Of the bare loop.
    batch: usize,
    target: f64,
    kind: Kinds,
}

#[derive(Clone, Copy)]
enum Kinds {
    OneCaller,
    Callers,
    Bulk,
    Drain,
}

const SCENES: [Scene; 4] = [
    Scene {
        what: "submit, one caller who awaits each",
        batch: 1,
        target: 0.50,
        kind: Kinds::OneCaller,
    },
    Scene {
        what: "submit, 64 callers",
        batch: CALLERS,
        target: 0.45,
        kind: Kinds::Callers,
    },
    Scene {
        what: "submit, bulk of 1,000",
        batch: BULK,
        target: 0.70,
        kind: Kinds::Bulk,
    },
    Scene {
        what: "drain with results",
        batch: DRAIN,
        target: 0.50,
        kind: Kinds::Drain,
    },
];

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for scene in SCENES {
        let messages = match scene.kind {
            Kinds::OneCaller => bench.args.messages / 5,
            _ => bench.args.messages,
        };
        // Where the bare client can have as many calls under way, it submits one by one as the callers do.
        let (batch, under_way, beside, target) = match scene.kind {
            Kinds::Callers if bench.ground.pipelines() => {
                (1, CALLERS, "own, 64 under way".to_owned(), 0.50)
            }
            _ => {
                let beside = format!("own, batches of {}", scene.batch);
                (scene.batch, 1, beside, scene.target)
            }
        };
        let load = Load {
            messages,
            batch,
            under_way,
            payload: bench.args.payload,
        };
        let of = |run: &Run| match scene.kind {
            Kinds::Drain => run.exchange,
            _ => run.submit,
        };
        let (mut ours, mut own) = (Vec::new(), Vec::new());
        let step = bench
            .progress
            .phase(&format!("runtime: {}", scene.what), bench.args.rounds);
        for _ in 0..bench.args.rounds {
            own.push(bare::run(bench, Bare::Own, load).await?);
            bare::settle_down().await;
            ours.push(measure(bench, scene.kind, messages).await?);
            bare::settle_down().await;
            step.advance();
        }
        let mut figure = Figure::rate(Phase::Runtime, scene.what, &ours);
        if let Some(own) = bare::samples(&own, of) {
            figure = figure
                .beside(&beside, &ours, &own)
                .target(Of::Ratio, Bound::AtLeast(target));
        }
        figures.push(figure);
    }
    Ok(figures)
}

async fn measure(bench: &Bench<'_>, kind: Kinds, messages: usize) -> Result<Sample> {
    let site = bench.ground.fresh()?;
    let seen = Arc::new(Seen::default());
    let app = bench.ground.app(&site, &seen)?;
    app.store().submit(Vec::new()).await?;
    let text = bench.text();
    let sample = match kind {
        Kinds::OneCaller => one_caller(&app, messages, &text).await?,
        Kinds::Callers => callers(&app, messages, &text).await?,
        Kinds::Bulk => bulk(&app, messages, &text).await?,
        Kinds::Drain => {
            bulk(&app, messages, &text).await?;
            drain(&app, &seen, messages).await?
        }
    };
    app.store().close().await?;
    Ok(sample)
}

async fn one_caller(app: &App, messages: usize, text: &str) -> Result<Sample> {
    let (broker, task) = (app.broker(), tasks::nothing());
    let meter = Meter::start();
    for _ in 0..messages {
        broker.submit_to(&task, text.to_owned()).await?;
    }
    Ok(meter.stop(messages))
}

async fn callers(app: &App, messages: usize, text: &str) -> Result<Sample> {
    let each = messages / CALLERS;
    let task = Arc::new(tasks::nothing());
    let mut callers = tokio::task::JoinSet::new();
    let meter = Meter::start();
    for _ in 0..CALLERS {
        let (broker, task, text) = (app.broker(), task.clone(), text.to_owned());
        callers.spawn(async move {
            for _ in 0..each {
                broker.submit_to(&*task, text.clone()).await?;
            }
            Ok::<_, Error>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    Ok(meter.stop(each * CALLERS))
}

/// Submits in bulk, making the messages on the way.
pub(super) async fn bulk(app: &App, messages: usize, text: &str) -> Result<Sample> {
    let (broker, task) = (app.broker(), tasks::nothing());
    let meter = Meter::start();
    let draft = |_| broker.submit_to(&task, text.to_owned()).draft();
    fill(&broker, messages, draft).await?;
    Ok(meter.stop(messages))
}

/// Runs everything that waits on a worker in this process.
pub(super) async fn drain(app: &App, seen: &Seen, messages: usize) -> Result<Sample> {
    let meter = Meter::start();
    let worker = app.worker().start().await?;
    worker.drained().await;
    let sample = meter.stop(messages);
    worker.stop().await?;
    let (done, _) = seen.handled();
    if done != messages as u64 {
        let text = format!("a drain ran {done} of {messages} messages");
        return Err(Error::new(Kind::Storage, text).into());
    }
    Ok(sample)
}
