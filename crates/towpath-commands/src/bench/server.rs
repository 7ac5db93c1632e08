//! What a message costs the server, submit to settle, in CPU time of its process: the store beside its own
//! scripts sent by a bare client.
//!
//! Batches go one after the other on so many ways at a time as there are to be under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::store::{Bare, Retention, StoredResult, Yardstick};
use towpath_core::{Draft, MessageId, Payload, TaskName};

use super::figure::{Bound, Figure, Of, Spread, Unit};
use super::ground::Site;
use super::hand::Hand;
use super::{Bench, Phase, bare, tasks};
use crate::exit::Result;

const UNDER_WAY: usize = 16;

/// What is measured: batches of that size, and whether successes are kept.
#[derive(Debug, Clone, Copy)]
struct Load {
    batch: usize,
    kept: bool,
    /// Microseconds.
    target: f64,
}

const LOADS: [Load; 4] = [
    load(10, false, 6.0),
    load(10, true, 8.0),
    load(100, false, 4.0),
    load(100, true, 6.0),
];

const fn load(batch: usize, kept: bool, target: f64) -> Load {
    Load {
        batch,
        kept,
        target,
    }
}

/// Nothing where the store has no server, or one that does not tell.
pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for load in LOADS {
        let name = format!("server: batches of {}", load.batch);
        let step = bench.progress.phase(&name, bench.args.rounds);
        let (mut store, mut own) = (Vec::new(), Vec::new());
        for _ in 0..bench.args.rounds {
            let Some(cost) = of_own(bench, load).await? else {
                return Ok(Vec::new());
            };
            own.push(cost);
            bare::settle_down().await;
            let Some(cost) = of_store(bench, load).await? else {
                return Ok(Vec::new());
            };
            store.push(cost);
            bare::settle_down().await;
            step.advance();
        }
        let ends = if load.kept { "kept" } else { "deleted" };
        let what = format!(
            "server's CPU per message, batches of {}, {ends}",
            load.batch
        );
        let value = Spread::of(store.iter().copied());
        figures.push(
            Figure::new(Phase::Server, what, Unit::Micros, value)
                .beside_values("own", &store, &own)
                .target(Of::Value, Bound::AtMost(load.target)),
        );
    }
    Ok(figures)
}

/// How much of the server a run took, in microseconds per message.
fn cost(before: Option<Duration>, after: Option<Duration>, messages: usize) -> Option<f64> {
    let used = after?.saturating_sub(before?);
    Some(used.as_secs_f64() * 1e6 / messages.max(1) as f64)
}

async fn of_own(bench: &Bench<'_>, load: Load) -> Result<Option<f64>> {
    let site = bench.ground.fresh()?;
    let Some(mut own) = bench.ground.bare(&site, Bare::Own)? else {
        return Ok(None);
    };
    let (messages, payload) = (bench.args.messages, format!("\"{}\"", bench.text()));
    let measured =
        tokio::task::spawn_blocking(move || own_costs(&mut *own, load, messages, &payload));
    let measured = measured
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    Ok(measured?)
}

fn own_costs(
    own: &mut dyn Yardstick,
    load: Load,
    messages: usize,
    payload: &str,
) -> towpath_core::Result<Option<f64>> {
    if !load.kept {
        own.keep_nothing();
    }
    let ids: Vec<MessageId> = (0..messages).map(|_| MessageId::new()).collect();
    let batches: Vec<&[MessageId]> = ids.chunks(load.batch).collect();
    let before = own.server_cpu()?;
    for batches in batches.chunks(UNDER_WAY) {
        own.submit_many(batches, payload.as_bytes())?;
    }
    while own.exchange_many(load.batch, UNDER_WAY)? > 0 {}
    Ok(cost(before, own.server_cpu()?, messages))
}

async fn of_store(bench: &Bench<'_>, load: Load) -> Result<Option<f64>> {
    let site = bench.ground.fresh()?;
    let Some(mut probe) = bench.ground.bare(&site, Bare::Own)? else {
        return Ok(None);
    };
    let before = probe.server_cpu()?;
    let messages = work(bench, &site, load).await?;
    Ok(cost(before, probe.server_cpu()?, messages))
}

/// Submits and ends messages; answers how many.
async fn work(bench: &Bench<'_>, site: &Site, load: Load) -> Result<usize> {
    let store = bench.ground.open(site)?;
    if !load.kept {
        store.set_retention(Retention {
            succeeded: Duration::ZERO,
            ..Retention::default()
        });
    }
    let task = TaskName::new(tasks::NOTHING)?;
    let payload = Payload::json(format!("\"{}\"", bench.text()));
    let rounds = bench.args.messages / load.batch / UNDER_WAY;
    let mut ways = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let (store, draft) = (store.clone(), Draft::new(task.clone(), payload.clone()));
        ways.spawn(async move {
            for _ in 0..rounds {
                let fresh = || Draft {
                    id: MessageId::new(),
                    ..draft.clone()
                };
                let drafts = std::iter::repeat_with(fresh).take(load.batch).collect();
                for answer in store.submit(drafts).await? {
                    answer?;
                }
            }
            Ok(())
        });
    }
    end(ways).await?;
    let hand = Arc::new(Hand::join(store.clone(), &task).await?);
    let mut ways = JoinSet::new();
    for _ in 0..UNDER_WAY {
        let hand = hand.clone();
        ways.spawn(async move {
            let result = StoredResult::Value(Payload::json("null"));
            let mut held = hand.claim(load.batch).await?;
            while !held.is_empty() {
                held = hand.exchange(&held, &result, load.batch).await?;
            }
            Ok(())
        });
    }
    end(ways).await?;
    store.close().await?;
    Ok(rounds * load.batch * UNDER_WAY)
}

async fn end(mut ways: JoinSet<towpath_core::Result<()>>) -> Result<()> {
    while let Some(ended) = ways.join_next().await {
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    }
    Ok(())
}
