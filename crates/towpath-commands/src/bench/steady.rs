//! A store at a steady rate while somebody holds a snapshot of it for three tenths of the time: what grows meanwhile,
//! and whether claims stay quick.
//!
//! As long as a snapshot is held the engine may not forget what was taken since, and whoever reads a line from its
//! head steps over it. Only a store is measured that can be asked for a snapshot and for its sizes.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};
use towpath_core::store::{Bare, HotBytes, StoredResult, Yardstick};
use towpath_core::{Draft, MessageId, Payload, TaskName};

use super::figure::{Bound, Figure, Of, Spread, Unit, quantile};
use super::hand::Hand;
use super::{Bench, Phase, tasks};
use crate::exit::Result;

/// How often messages are submitted, and claimed when there are few.
const TICK: Duration = Duration::from_millis(50);
/// What of the time goes by before the snapshot, while it is held, and after it.
const SHARES: [(&str, f64); 3] = [
    ("before the snapshot", 0.35),
    ("while it is held", 0.30),
    ("after it", 0.35),
];
/// What of the rate must be held.
const HELD: f64 = 0.98;

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let site = bench.ground.fresh()?;
    let Some(yardstick) = bench.ground.bare(&site, Bare::Own)? else {
        return Ok(Vec::new());
    };
    let mut probe = Probe(Some(yardstick));
    let Some(at_first) = probe.ask(|yardstick| yardstick.hot_bytes()).await? else {
        return Ok(Vec::new());
    };
    let (rate, time) = (bench.args.steady_rate, bench.args.steady_for);
    let flow = Flow::on(bench, bench.ground.open(&site)?).await?;
    let name = format!("steady: {rate} messages a second");
    let step = bench.progress.phase(&name, SHARES.len());
    let (mut stretches, mut sizes) = (Vec::new(), vec![("at the start", at_first)]);
    for (nth, (_, share)) in SHARES.into_iter().enumerate() {
        stretches.push(flow.run(time.mul_f64(share)).await?);
        let when = ["before the snapshot", "at its end", "at the end of the run"][nth];
        let bytes = probe.ask(|yardstick| yardstick.hot_bytes()).await?;
        sizes.extend(bytes.map(|bytes| (when, bytes)));
        match nth {
            0 => drop(probe.ask(|yardstick| yardstick.hold_snapshot()).await?),
            1 => probe.ask(|yardstick| yardstick.drop_snapshot()).await?,
            _ => {}
        }
        step.advance();
    }
    flow.hand.store.close().await?;
    let mut figures = sized(&sizes);
    figures.extend(timed(&mut stretches, rate));
    Ok(figures)
}

fn sized(sizes: &[(&str, HotBytes)]) -> Vec<Figure> {
    let figure = |what: &str, when: &str, bytes: u64| {
        let mib = bytes as f64 / (1024.0 * 1024.0);
        let what = format!("{what}, {when}");
        Figure::new(Phase::Steady, what, Unit::Mib, Spread::one(mib))
    };
    let tables = sizes
        .iter()
        .map(|(when, bytes)| figure("hot tables", when, bytes.tables));
    let indexes = sizes
        .iter()
        .map(|(when, bytes)| figure("their indexes", when, bytes.indexes));
    tables.chain(indexes).collect()
}

fn timed(stretches: &mut [Stretch], rate: u32) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (stretch, (when, _)) in stretches.iter_mut().zip(SHARES) {
        for (quantity, share) in [("p50", 0.50), ("p99", 0.99)] {
            let what = format!("claim {quantity}, {when}");
            let value = Spread::one(quantile(&mut stretch.claims_ms, share));
            figures.push(Figure::new(Phase::Steady, what, Unit::Millis, value));
        }
    }
    let rates = Spread::of(stretches.iter().map(Stretch::per_second));
    let held = Spread::one(rates.min);
    figures.push(
        Figure::new(
            Phase::Steady,
            "rate held, the lowest of the three",
            Unit::PerSecond,
            held,
        )
        .target(Of::Value, Bound::AtLeast(f64::from(rate) * HELD)),
    );
    figures
}

/// What one stretch of the time gave.
struct Stretch {
    claims_ms: Vec<f64>,
    settled: usize,
    took: Duration,
}

impl Stretch {
    fn per_second(&self) -> f64 {
        self.settled as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// A producer at a fixed rate, and a worker by hand.
struct Flow {
    hand: Hand,
    task: TaskName,
    payload: Payload,
    /// Messages per tick, and at most per claim.
    batch: usize,
}

impl Flow {
    async fn on(bench: &Bench<'_>, store: std::sync::Arc<dyn towpath_core::Store>) -> Result<Self> {
        let task = TaskName::new(tasks::NOTHING)?;
        let ticks = TICK.as_secs_f64() * f64::from(bench.args.steady_rate);
        Ok(Self {
            hand: Hand::join(store, &task).await?,
            task,
            payload: Payload::json(format!("\"{}\"", bench.text())),
            batch: (ticks.round() as usize).max(1),
        })
    }

    /// Both at once, for that long.
    async fn run(&self, time: Duration) -> Result<Stretch> {
        let began = Instant::now();
        let until = began + time;
        let ((), (claims_ms, settled)) = tokio::try_join!(self.produce(until), self.work(until))?;
        Ok(Stretch {
            claims_ms,
            settled,
            took: began.elapsed(),
        })
    }

    /// Submits at the rate, whatever the store takes: what was late is made up for.
    async fn produce(&self, until: Instant) -> Result<()> {
        let mut ticks = interval(TICK);
        let draft = Draft::new(self.task.clone(), self.payload.clone());
        while Instant::now() < until {
            ticks.tick().await;
            let fresh = || Draft {
                id: MessageId::new(),
                ..draft.clone()
            };
            let drafts = std::iter::repeat_with(fresh).take(self.batch).collect();
            for answer in self.hand.store.submit(drafts).await? {
                answer?;
            }
        }
        Ok(())
    }

    /// Claims and settles: at every tick, and at once where there may be more. Answers how many milliseconds each
    /// claim took, and how many messages were settled.
    async fn work(&self, until: Instant) -> Result<(Vec<f64>, usize)> {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let result = StoredResult::Value(Payload::json("null"));
        let (mut claims_ms, mut settled) = (Vec::new(), 0);
        while Instant::now() < until {
            let began = Instant::now();
            let held = self.hand.claim(self.batch).await?;
            claims_ms.push(began.elapsed().as_secs_f64() * 1e3);
            if !held.is_empty() {
                self.hand.exchange(&held, &result, 0).await?;
            }
            settled += held.len();
            if held.len() < self.batch {
                ticks.tick().await;
            }
        }
        Ok((claims_ms, settled))
    }
}

/// A bare loop that is only asked, on threads that may wait for its answers.
struct Probe(Option<Box<dyn Yardstick>>);

impl Probe {
    async fn ask<T: Send + 'static>(
        &mut self,
        what: fn(&mut dyn Yardstick) -> towpath_core::Result<T>,
    ) -> Result<T> {
        let mut yardstick = self.0.take().expect("put back after each question");
        let asked = tokio::task::spawn_blocking(move || {
            let answer = what(&mut *yardstick);
            (answer, yardstick)
        });
        let (answer, yardstick) = asked
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        self.0 = Some(yardstick);
        Ok(answer?)
    }
}
