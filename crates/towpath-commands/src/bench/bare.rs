//! Runs the bare loops, on threads of their own.

use std::time::{Duration, Instant};

use towpath_core::MessageId;
use towpath_core::store::{Bare, Yardstick};

use super::Bench;
use super::meter::{Meter, Sample};
use crate::exit::Result;

/// What one run over a fresh store gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) submit: Sample,
    /// Settle and claim in one step, until nothing is left.
    pub(super) exchange: Sample,
}

/// How much to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) messages: usize,
    pub(super) batch: usize,
    /// Submits under way at a time, on a server.
    pub(super) under_way: usize,
    /// Bytes of a payload.
    pub(super) payload: usize,
}

/// `None` where the engine has no such bare loop.
pub(super) async fn run(bench: &Bench<'_>, bare: Bare, load: Load) -> Result<Option<Run>> {
    on_thread(bench, bare, move |yardstick| loops(yardstick, load)).await
}

/// How long a submit and a claim of one message take, in milliseconds, each time after a rest.
/// `None` where the engine has no such bare loop.
pub(super) async fn rested(
    bench: &Bench<'_>,
    times: usize,
    rest: fn() -> Duration,
) -> Result<Option<Vec<f64>>> {
    let payload = format!("\"{}\"", bench.text());
    let run = move |yardstick: &mut dyn Yardstick| {
        let once = |_| {
            std::thread::sleep(rest());
            let began = Instant::now();
            yardstick.submit(&[MessageId::new()], payload.as_bytes())?;
            yardstick.exchange(1)?;
            Ok(began.elapsed().as_secs_f64() * 1e3)
        };
        (0..times).map(once).collect()
    };
    on_thread(bench, Bare::Own, run).await
}

async fn on_thread<T: Send + 'static>(
    bench: &Bench<'_>,
    bare: Bare,
    run: impl FnOnce(&mut dyn Yardstick) -> towpath_core::Result<T> + Send + 'static,
) -> Result<Option<T>> {
    let site = bench.ground.fresh()?;
    let Some(mut yardstick) = bench.ground.bare(&site, bare)? else {
        return Ok(None);
    };
    let done = tokio::task::spawn_blocking(move || {
        let ran = run(&mut *yardstick);
        drop(yardstick);
        ran
    });
    let ran = done
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    drop(site);
    Ok(Some(ran?))
}

fn loops(yardstick: &mut dyn Yardstick, load: Load) -> towpath_core::Result<Run> {
    let ids: Vec<MessageId> = (0..load.messages).map(|_| MessageId::new()).collect();
    let payload = format!("\"{}\"", "x".repeat(load.payload - 2));
    let meter = Meter::start();
    let batches: Vec<&[MessageId]> = ids.chunks(load.batch).collect();
    for batches in batches.chunks(load.under_way) {
        yardstick.submit_many(batches, payload.as_bytes())?;
    }
    let submit = meter.stop(ids.len());
    let meter = Meter::start();
    let mut done = 0;
    loop {
        let claimed = yardstick.exchange(load.batch)?;
        if claimed == 0 {
            break;
        }
        done += claimed;
    }
    let exchange = meter.stop(done);
    assert_eq!(done, ids.len(), "a bare loop hands out what it was given");
    Ok(Run { submit, exchange })
}

/// For engines without a bare loop: nothing to compare with.
pub(super) fn samples(runs: &[Option<Run>], of: impl Fn(&Run) -> Sample) -> Option<Vec<Sample>> {
    runs.iter().map(|run| run.as_ref().map(&of)).collect()
}

/// A pause between two measurements, so that one does not pay for what the other left to write.
pub(super) async fn settle_down() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
