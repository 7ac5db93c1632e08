//! Messages that become due all at once, beside as many that wait for another day: what they take of the server's
//! memory, how long its longest script is, and how fast one worker process runs those that are due.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use towpath_core::message::Start;
use towpath_core::store::{Bare, Yardstick};
use towpath_core::{Clock as _, Error, Kind, QueueName, SystemClock};
use towpath_runtime::Broker;

use super::figure::{Bound, Figure, Of, Spread, Unit};
use super::fill::fill;
use super::ground::Site;
use super::peer::Ask;
use super::remote::Remote;
use super::{Bench, Phase, tasks};
use crate::exit::Result;

/// Not within the time of a bench.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);
/// So much later than the delayed ones took to be submitted, twice over, do the others become due.
const AHEAD: Duration = Duration::from_secs(3);
/// Messages between two looks at the longest script.
const BETWEEN_LOOKS: usize = 20_000;
/// Between two looks at what is done; the end is told by the worker's own clock.
const LOOK: Duration = Duration::from_millis(200);
/// Milliseconds.
const SCRIPT_MAX: f64 = 5.0;
/// Times the envelope.
const MEMORY_MAX: f64 = 2.0;

/// Nothing where the store has no server, or one that does not tell.
pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let site = bench.ground.fresh()?;
    let Some(mut server) = bench.ground.bare(&site, Bare::Own)? else {
        return Ok(Vec::new());
    };
    let Some(before) = server.server_memory()? else {
        return Ok(Vec::new());
    };
    let mut flood = Flood {
        bench,
        site: &site,
        server: &mut *server,
        longest: None,
    };
    flood.run(before).await
}

struct Flood<'a> {
    bench: &'a Bench<'a>,
    site: &'a Site,
    server: &'a mut dyn Yardstick,
    /// The longest script so far; `None` where the server does not time them.
    longest: Option<Duration>,
}

impl Flood<'_> {
    async fn run(&mut self, before: u64) -> Result<Vec<Figure>> {
        let waiting = self.bench.args.backlog;
        let app = self.bench.ground.app(self.site, &Arc::default())?;
        let broker = app.broker();
        let step = self.bench.progress.phase("flood: filling the store", 2);
        let began = Instant::now();
        self.fill(&broker, Start::After(LATER)).await?;
        step.advance();
        let ahead = began.elapsed() * 2 + AHEAD;
        let due = SystemClock::new().uptime() + ahead;
        self.fill(&broker, Start::At((SystemTime::now() + ahead).into()))
            .await?;
        step.advance();
        let filled = self.server.server_memory()?.unwrap_or(before);
        if SystemClock::new().uptime() > due {
            let text = "the first messages of the phase flood were due before the last were submitted: the \
                        machine is busy with other things";
            return Err(Error::new(Kind::Storage, text).into());
        }
        let step = self.bench.progress.phase("flood: running what is due", 1);
        let ended = self.drain(waiting).await?;
        step.advance();
        app.store().close().await?;
        let each = filled.saturating_sub(before) as f64 / (2 * waiting) as f64;
        let rate = waiting as f64 / ended.saturating_sub(due).as_secs_f64();
        Ok(self.figures(each, rate))
    }

    /// Submits the messages, looking at the longest script now and then.
    async fn fill(&mut self, broker: &Broker, start: Start) -> Result<()> {
        let (task, text) = (tasks::nothing(), self.bench.text());
        let mut left = self.bench.args.backlog;
        while left > 0 {
            self.longest = self.server.longest_script()?;
            let now = left.min(BETWEEN_LOOKS);
            fill(broker, now, |_| {
                let draft = broker.submit_to(&task, text.clone()).draft()?;
                Ok(towpath_core::Draft { start, ..draft })
            })
            .await?;
            left -= now;
        }
        Ok(())
    }

    /// Has another process run what is due; answers when it began the last, on the boot clock.
    async fn drain(&mut self, waiting: usize) -> Result<Duration> {
        let mut worker = Remote::worker(self.site).await?;
        let last = loop {
            tokio::time::sleep(LOOK).await;
            self.longest = self.server.longest_script()?;
            let tell = worker.ask(Ask::Handled).await?;
            if tell.handled >= waiting as u64 {
                break Duration::from_nanos(tell.last_ns);
            }
        };
        worker.stop().await?;
        self.longest = self.server.longest_script()?;
        Ok(last)
    }

    fn figures(&self, each: f64, rate: f64) -> Vec<Figure> {
        let waiting = self.bench.args.backlog;
        let figure =
            |what: String, unit, value| Figure::new(Phase::Flood, what, unit, Spread::one(value));
        let names = tasks::NOTHING.len() + QueueName::default().as_str().len();
        let envelope = (self.bench.args.payload + names) as f64;
        let what =
            format!("server's memory per waiting message, {waiting} due at once, as many delayed");
        let mut figures = vec![
            figure(what, Unit::Bytes, each)
                .beside_values("its payload and names", &[each], &[envelope])
                .target(Of::Ratio, Bound::AtMost(MEMORY_MAX)),
        ];
        if let Some(longest) = self.longest {
            let what = "longest script meanwhile, on the server's clock".to_owned();
            let longest = figure(what, Unit::Millis, longest.as_secs_f64() * 1e3);
            figures.push(longest.target(Of::Max, Bound::AtMost(SCRIPT_MAX)));
        }
        let what = format!("drain of {waiting} due at once by one worker process");
        figures.push(figure(what, Unit::PerSecond, rate));
        figures
    }
}
