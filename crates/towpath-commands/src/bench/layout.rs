//! Throughput against batch size: the store beside the bare loops.

use std::sync::Arc;

use towpath_core::store::{Bare, StoredResult};
use towpath_core::{Draft, Payload, Store, TaskName};

use super::bare::{self, Load, Run};
use super::figure::{Bound, Figure, Of};
use super::hand::Hand;
use super::meter::{Meter, Sample};
use super::{Bench, Phase, tasks};
use crate::exit::Result;

const BATCHES: [usize; 4] = [1, 10, 100, 1_000];
/// What the layout must keep of the leanest one's speed, and at which batch size.
const SUBMIT: (usize, f64) = (1_000, 0.60);
const EXCHANGE: (usize, f64) = (100, 0.65);

/// The runs of one batch size.
#[derive(Default)]
struct Rounds {
    store: Vec<Option<Run>>,
    own: Vec<Option<Run>>,
    limit: Vec<Option<Run>>,
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for batch in BATCHES {
        let messages = if batch == 1 {
            bench.args.messages / 5
        } else {
            bench.args.messages
        };
        let load = Load {
            messages,
            batch,
            under_way: 1,
            payload: bench.args.payload,
        };
        let rounds = rounds(bench, load).await?;
        figures.extend(told(&rounds, "submit", batch, SUBMIT, |run| run.submit));
        figures.extend(told(&rounds, "settle + claim", batch, EXCHANGE, |run| {
            run.exchange
        }));
    }
    Ok(figures)
}

async fn rounds(bench: &Bench<'_>, load: Load) -> Result<Rounds> {
    let mut rounds = Rounds::default();
    let step = bench.progress.phase(
        &format!("layout: batches of {}", load.batch),
        bench.args.rounds,
    );
    for _ in 0..bench.args.rounds {
        rounds.own.push(bare::run(bench, Bare::Own, load).await?);
        bare::settle_down().await;
        rounds
            .limit
            .push(bare::run(bench, Bare::Limit, load).await?);
        bare::settle_down().await;
        rounds.store.push(Some(store(bench, load).await?));
        bare::settle_down().await;
        step.advance();
    }
    Ok(rounds)
}

/// The figures of one verb at one batch size.
fn told(
    rounds: &Rounds,
    verb: &str,
    batch: usize,
    (at, target): (usize, f64),
    of: impl Fn(&Run) -> Sample + Copy,
) -> Vec<Figure> {
    let what = |who: &str| format!("{who}: {verb}, batches of {batch}");
    let curve = |who: usize| match (verb, who) {
        ("submit", 0) => "submit",
        ("submit", 1) => "submit, own",
        ("submit", _) => "submit, L4",
        (_, 0) => "settle + claim",
        (_, 1) => "settle + claim, own",
        _ => "settle + claim, L4",
    };
    let mut figures = Vec::new();
    let store = bare::samples(&rounds.store, of).unwrap_or_default();
    let own = bare::samples(&rounds.own, of);
    let limit = bare::samples(&rounds.limit, of);
    let mut figure = Figure::rate(Phase::Layout, what("store"), &store).at(curve(0), batch);
    if let Some(own) = &own {
        figure = figure.beside("own", &store, own);
    }
    figures.push(figure);
    if let (Some(own), Some(limit)) = (&own, &limit) {
        let figure = Figure::rate(Phase::Layout, what("own"), own).at(curve(1), batch);
        let mut figure = figure.beside("L4", own, limit);
        if batch == at {
            figure = figure.target(Of::Ratio, Bound::AtLeast(target));
        }
        figures.push(figure);
        figures.push(Figure::rate(Phase::Layout, what("L4"), limit).at(curve(2), batch));
    }
    figures
}

/// The verbs of the store, from one caller that waits for each batch.
async fn store(bench: &Bench<'_>, load: Load) -> Result<Run> {
    let site = bench.ground.fresh()?;
    let store = bench.ground.open(&site)?;
    // Opens the file and starts the threads.
    store.submit(Vec::new()).await?;
    let task = TaskName::new(tasks::NOTHING)?;
    let payload = Payload::json(format!("\"{}\"", "x".repeat(load.payload - 2)));
    let draft = || Draft::new(task.clone(), payload.clone());
    let drafts: Vec<Draft> = std::iter::repeat_with(draft).take(load.messages).collect();
    let mut batches: Vec<Vec<Draft>> = drafts.chunks(load.batch).map(<[Draft]>::to_vec).collect();
    let meter = Meter::start();
    for batch in batches.drain(..) {
        for answer in store.submit(batch).await? {
            answer?;
        }
    }
    let submit = meter.stop(load.messages);
    let exchange = exchange(&store, &task, load).await?;
    store.close().await?;
    Ok(Run { submit, exchange })
}

async fn exchange(store: &Arc<dyn Store>, task: &TaskName, load: Load) -> Result<Sample> {
    let hand = Hand::join(store.clone(), task).await?;
    let result = StoredResult::Value(Payload::json("null"));
    let meter = Meter::start();
    let mut held = hand.claim(load.batch).await?;
    let mut done = 0;
    while !held.is_empty() {
        done += held.len();
        held = hand.exchange(&held, &result, load.batch).await?;
    }
    Ok(meter.stop(done))
}
