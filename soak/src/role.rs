//! What a process of the soak is told: the verbs that the observer starts its own program with.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::ground::STORE_URL;
use crate::{producer, worker};

/// What a process is to be.
#[derive(Debug, Clone, Subcommand)]
pub enum Role {
    /// Submits messages until SIGTERM.
    #[command(hide = true)]
    Produce(Produce),
    /// Runs messages until SIGTERM.
    #[command(hide = true)]
    Work(Work),
}

/// What both are told.
#[derive(Debug, Clone, Args)]
pub struct Cast {
    /// The journal to write.
    #[arg(long)]
    pub journal: PathBuf,
    /// Which soak this is: half of each message's id.
    #[arg(long)]
    pub run: u64,
    /// The number of the process.
    #[arg(long)]
    pub number: u16,
}

impl Cast {
    /// The URL of the store.
    pub(crate) fn store(&self) -> Result<String> {
        std::env::var(STORE_URL).with_context(|| format!("{STORE_URL} names no store"))
    }
}

/// What a producer is told.
#[derive(Debug, Clone, Args)]
pub struct Produce {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says it")]
    pub cast: Cast,
    /// Messages a second.
    #[arg(long)]
    pub rate: f64,
    /// Of its arrivals and its mix.
    #[arg(long)]
    pub seed: u64,
}

/// What a worker is told.
#[derive(Debug, Clone, Args)]
pub struct Work {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says it")]
    pub cast: Cast,
    /// How long its lease lasts.
    #[arg(long)]
    pub lease_ms: u64,
}

impl Work {
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// Is that process, until it is told to end.
///
/// # Errors
///
/// What the store or the journal says.
pub fn play(role: &Role) -> Result<()> {
    die_with_the_observer();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(async {
        match role {
            Role::Produce(produce) => producer::produce(produce).await,
            Role::Work(work) => worker::work(work).await,
        }
    })
}

/// Nobody else would end a process that is stopped when its observer is gone.
fn die_with_the_observer() {
    #[cfg(target_os = "linux")]
    if let Err(error) =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
    {
        eprintln!("this process may outlive the soak: {error}");
    }
}
