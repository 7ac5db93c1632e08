//! The other process of a bench: a worker that answers questions about itself.
//!
//! Each line on its standard input is an [`Ask`], each line on its standard output the answer. It ends
//! with its standard input, so that none is left behind when the bench is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use towpath_core::store::{List, Section};
use towpath_core::{Error, Kind, Store, StoreUrl, limits};
use towpath_runtime::App;

use super::meter;
use super::tasks::{self, Seen};
use crate::exit::{Exit, Failure, Result};
use crate::output::Out;
use crate::run::Setup;

/// A worker of `bench` in a process of its own
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// What the bench asks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Begin to work.
    Work,
    /// Begin to read lists and counts without a pause.
    Look,
    /// How much CPU time was used so far.
    Cpu,
    /// How much was run, and when the last began.
    Handled,
    /// From submit to start, of all since the last time.
    Latencies,
    /// The largest size in memory so far.
    Memory,
}

/// What it answers, each in a field of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tell {
    pub(super) cpu_us: f64,
    pub(super) handled: u64,
    /// On the boot clock.
    pub(super) last_ns: u64,
    pub(super) latencies_ms: Vec<f64>,
    pub(super) memory_bytes: u64,
}

pub(crate) async fn run(
    _args: Args,
    setup: Setup,
    store: Option<StoreUrl>,
    out: &Out,
) -> Result<Exit> {
    let Some(url) = store else {
        return Err(Failure::usage("a peer of the bench needs --store"));
    };
    let seen = Arc::new(Seen::default());
    let app = tasks::add(App::new((setup.open)(&url)?), &seen);
    let looking = Arc::new(AtomicBool::new(true));
    let mut worker = None;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let ask = serde_json::from_str(&line)
            .map_err(|e| Failure::usage(format!("a peer of the bench was asked {line:?}: {e}")))?;
        match ask {
            Ask::Work => worker = Some(app.worker().start().await?),
            Ask::Look => {
                tokio::spawn(look(app.store().clone(), looking.clone()));
            }
            Ask::Cpu | Ask::Handled | Ask::Latencies | Ask::Memory => {}
        }
        out.json(&tell(ask, &seen))?;
        out.flush()?;
    }
    looking.store(false, Ordering::Release);
    if let Some(worker) = worker {
        worker.stop().await?;
    }
    app.store().close().await?;
    Ok(Exit::Ok)
}

fn tell(ask: Ask, seen: &Seen) -> Tell {
    let cpu = meter::process_cpu().unwrap_or_default();
    let (handled, last) = seen.handled();
    let latencies_ms = match ask {
        Ask::Latencies => seen.take_latencies(),
        _ => Vec::new(),
    };
    Tell {
        cpu_us: cpu.as_secs_f64() * 1e6,
        handled,
        last_ns: tasks::nanos(last),
        latencies_ms,
        memory_bytes: memory().unwrap_or(0),
    }
}

/// Reads as a page does that somebody left open, and never rests.
async fn look(store: Arc<dyn Store>, on: Arc<AtomicBool>) -> Result<()> {
    while on.load(Ordering::Acquire) {
        let list = List {
            section: Section::All,
            after: None,
            limit: limits::WINDOW,
        };
        store.list(list).await?;
        store.counts().await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The most that this process had in memory, in bytes; `None` where the system does not tell.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Why a peer could not be asked.
pub(super) fn gone(why: impl std::fmt::Display) -> Failure {
    Error::new(
        Kind::Unavailable,
        format!("another process of the bench cannot be asked: {why}"),
    )
    .into()
}
