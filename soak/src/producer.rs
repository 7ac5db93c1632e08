//! A producer: submits at the times of its schedule, and writes down what was acknowledged.
//!
//! The schedule is open: arrivals follow each other by chance (Poisson), not by the store's answers. An
//! arrival that could not be submitted in time is submitted late, and counts from when it was due.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use towpath::{Broker, Draft};

use crate::journal::{Journal, Kind, Name};
use crate::mix::Mix;
use crate::role::Produce;
use crate::worker::{blocking, delayed, flaky, large, quick, slow, summed};

/// Most submits under way; arrivals beyond them wait, and are late.
const UNDER_WAY_MAX: usize = 4_096;
/// What a large payload is made of; over 800 bytes it leaves the message's row.
const LARGE_BYTES: usize = 2_000;

pub(crate) async fn produce(role: &Produce) -> Result<()> {
    let cast = &role.cast;
    let journal =
        Journal::create(&cast.journal, cast.number).context("failed to begin a journal")?;
    let journal = Arc::new(journal);
    let broker = Broker::new(towpath::open(&cast.store()?)?);
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut rng = Rng::with_seed(role.seed);
    let permits = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut under_way = JoinSet::new();
    let mut due = journal.ticks.now();
    for sequence in 0.. {
        due += pause(&mut rng, role.rate);
        let early = Duration::from_micros(due.saturating_sub(journal.ticks.now()));
        let permit = tokio::select! {
            biased;
            _ = stop.recv() => break,
            permit = wait(&permits, early) => permit?,
        };
        while under_way.try_join_next().is_some() {}
        let mix = Mix::choose(&mut rng);
        let name = Name::of(cast.number, sequence);
        let draft = draft(&broker, mix, name, cast.run, &mut rng)?;
        let (broker, journal) = (broker.clone(), journal.clone());
        under_way.spawn(async move {
            let submitted = submit(&broker, &journal, draft, mix, name, due).await;
            drop(permit);
            submitted
        });
    }
    while let Some(submitted) = under_way.join_next().await {
        submitted?.context("failed to write a journal")?;
    }
    Ok(())
}

async fn wait(
    permits: &Arc<Semaphore>,
    early: Duration,
) -> Result<tokio::sync::OwnedSemaphorePermit> {
    if !early.is_zero() {
        tokio::time::sleep(early).await;
    }
    Ok(permits.clone().acquire_owned().await?)
}

/// Microseconds to the next arrival.
fn pause(rng: &mut Rng, rate: f64) -> u64 {
    let seconds = -(1.0 - rng.f64()).ln() / rate;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and saturates"
    )]
    let micros = (seconds * 1e6) as u64;
    micros
}

fn draft(broker: &Broker, mix: Mix, name: Name, run: u64, rng: &mut Rng) -> towpath::Result<Draft> {
    let n = rng.u32(..1_000);
    let priority = if rng.u32(..10) == 0 { rng.u32(0..4) } else { 1 };
    let queue = if rng.u32(..4) == 0 {
        "other"
    } else {
        "default"
    };
    macro_rules! with {
        ($submit:expr) => {
            $submit.id(name.id(run)).priority(priority).queue(queue)
        };
    }
    match mix {
        Mix::Quick => with!(quick.submit(broker, (n,))).draft(),
        Mix::Slow => with!(slow.submit(broker, (20 + n % 180,))).draft(),
        Mix::Blocking => with!(blocking.submit(broker, (2 + n % 18,))).draft(),
        Mix::Delayed => with!(delayed.submit(broker, (n,)))
            .delay(mix.delay(name))
            .draft(),
        Mix::Flaky => with!(flaky.submit(broker, (n,))).draft(),
        Mix::Summed => with!(summed.submit(broker, (n, 1))).draft(),
        Mix::Large => with!(large.submit(broker, ("x".repeat(LARGE_BYTES),))).draft(),
    }
}

/// Submits until the store has answered for good, as a careful program would.
async fn submit(
    broker: &Broker,
    journal: &Journal,
    draft: Draft,
    mix: Mix,
    name: Name,
    due: u64,
) -> std::io::Result<()> {
    let called = journal.ticks.now();
    let mut repeated = false;
    loop {
        let error = match broker.submit(draft.clone()).await {
            Ok(_) => break,
            // An earlier call was done, and only its answer was not heard.
            Err(error) if repeated && error.kind() == towpath::Kind::AlreadyExists => break,
            Err(error) => error,
        };
        eprintln!("submitting {:?}: {error}", draft.id);
        if !error.is_transient() {
            return journal.write(Kind::Refused, mix, name, 0, due);
        }
        journal.write(Kind::Trouble, mix, name, 0, due)?;
        repeated = true;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..100))).await;
    }
    let took = u32::try_from(journal.ticks.now() - called).unwrap_or(u32::MAX);
    journal.write(Kind::Accepted, mix, name, took, due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_at_the_rate_asked_for() {
        let mut rng = Rng::with_seed(3);
        let micros: u64 = (0..100_000).map(|_| pause(&mut rng, 1_000.0)).sum();
        assert!((95_000_000..105_000_000).contains(&micros), "{micros}");
    }
}
