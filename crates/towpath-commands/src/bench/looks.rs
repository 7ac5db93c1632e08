//! Looking at a store with very many messages: lists by filter, the claims meanwhile, one status.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use towpath_core::store::Section;
use towpath_core::{MessageId, StoreUrl, TaskName, limits};
use towpath_runtime::{Broker, Filter};

use super::claims::Claims;
use super::figure::{Bound, Figure, Of, Spread, Unit, quantile};
use super::fill::fill;
use super::{Bench, Phase, peer, tasks};
use crate::exit::Result;

/// Lists per round.
const LISTS: usize = 100;
/// The newest so many that the filter selects: one message in [`SELECTED`].
const NEWEST: usize = 100;
const SELECTED: usize = 10;
const STATUSES: usize = 20;
const PAUSE: Duration = Duration::from_millis(1);

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let waiting = bench.args.backlog;
    let site = bench.ground.fresh()?;
    let app = bench.ground.app(&site, &Arc::default())?;
    let broker = app.broker();
    let filling = bench.progress.phase("looks: filling the store", 1);
    let ids = fill_mixed(&broker, waiting, &bench.text()).await?;
    filling.advance();
    let claims = Arc::new(Claims::on(app.store().clone()).await?);
    let (mut lists, mut alone, mut meanwhile, mut statuses) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let step = bench.progress.phase("looks", bench.args.rounds);
    for _ in 0..bench.args.rounds {
        alone.push(quantile(&mut claims.many(LISTS).await?, 1.0));
        let (mut times, longest) = lists_and_claims(&broker, &claims).await?;
        lists.push(quantile(&mut times, 0.99));
        meanwhile.push(longest);
        if bench.ground.is_shared() {
            statuses.push(status(&site.url, ids).await?);
        }
        step.advance();
    }
    app.store().close().await?;
    let figure = |what: String, values: Vec<f64>| {
        Figure::new(Phase::Looks, what, Unit::Millis, Spread::of(values))
    };
    let mut figures = vec![
        figure(
            format!(
                "the newest {NEWEST} of {waiting} by a filter that one in {SELECTED} passes: p99"
            ),
            lists,
        )
        .target(Of::Value, Bound::AtMost(50.0)),
        figure("the longest claim without lists".to_owned(), alone),
        figure("the longest claim beside the lists".to_owned(), meanwhile)
            .target(Of::Value, Bound::AtMost(20.0)),
    ];
    if !statuses.is_empty() {
        figures.push(
            figure(
                "the command `status`, start to end: p50".to_owned(),
                statuses,
            )
            .target(Of::Value, Bound::AtMost(30.0)),
        );
    }
    Ok(figures)
}

/// One message in [`SELECTED`] is of the known task, and waits for another day. Answers one of them.
async fn fill_mixed(broker: &Broker, waiting: usize, text: &str) -> Result<MessageId> {
    let (known, unknown) = (tasks::nothing(), tasks::unknown());
    let later = Duration::from_secs(24 * 60 * 60);
    let mut one = MessageId::new();
    fill(broker, waiting, |n| {
        let text = text.to_owned();
        if n % SELECTED == 0 {
            let draft = broker.submit_to(&known, text).delay(later).draft()?;
            one = draft.id;
            Ok(draft)
        } else {
            broker.submit_to(&unknown, text).draft()
        }
    })
    .await?;
    Ok(one)
}

/// How long each list took, and the longest claim while they were made.
async fn lists_and_claims(broker: &Broker, claims: &Arc<Claims>) -> Result<(Vec<f64>, f64)> {
    let on = Arc::new(AtomicBool::new(true));
    let (going, claiming) = (on.clone(), claims.clone());
    let claims = tokio::spawn(async move {
        let mut longest = 0.0f64;
        while going.load(Ordering::Acquire) {
            longest = longest.max(claiming.one().await?);
            tokio::time::sleep(PAUSE).await;
        }
        Ok::<_, crate::exit::Failure>(longest)
    });
    let mut times = Vec::with_capacity(LISTS);
    for _ in 0..LISTS {
        let began = Instant::now();
        newest(broker).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    on.store(false, Ordering::Release);
    let longest = claims
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    Ok((times, longest))
}

/// As `messages list --task … --limit 100` does.
async fn newest(broker: &Broker) -> Result<usize> {
    let filter = Filter {
        task: Some(TaskName::new(tasks::NOTHING)?),
        ..Filter::default()
    };
    let now = broker.store().now().await?;
    let (mut found, mut after) = (0, None);
    loop {
        let window = broker.list(Section::All, after, limits::WINDOW).await?;
        let selected = window
            .records
            .iter()
            .filter(|record| filter.matches(record, now));
        found += selected.count();
        after = window.next;
        if found >= NEWEST || after.is_none() {
            return Ok(found);
        }
    }
}

/// How long the command takes, from the start of its process to its end.
async fn status(url: &StoreUrl, id: MessageId) -> Result<f64> {
    let program = std::env::current_exe()?;
    let mut times = Vec::with_capacity(STATUSES);
    for _ in 0..STATUSES {
        let began = Instant::now();
        let status = tokio::process::Command::new(&program)
            .args(["--store", &url.to_string(), "status", &id.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        if !status.success() {
            return Err(peer::gone(format!(
                "`status` of a message ended with {status}"
            )));
        }
    }
    Ok(quantile(&mut times, 0.50))
}
