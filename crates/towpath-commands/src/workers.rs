//! `workers`: who works on the store.

use serde::Serialize;
use towpath_core::store::WorkerRecord;

use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::{Table, age};

/// List the workers that the store knows
///
/// A worker holds a lease of 10 s that it renews every 2.5 s; when it ends unrenewed, its messages are
/// given to others. Workers that have gone are listed until they are forgotten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath workers

With --json: {\"workers\": [{\"incarnation\", \"name\", \"listens\", \"joined_at_ms\", \"lease_left_ms\",
\"held\"}]}; lease_left_ms is null for a worker that has gone.")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct View<'a> {
    workers: &'a [WorkerRecord],
}

pub(crate) async fn run(_args: Args, env: &Env) -> Result {
    let workers = env.broker().workers().await?;
    if env.json() {
        env.out.json(&View { workers: &workers })?;
        return Ok(Exit::Ok);
    }
    let now = env.app.store().now().await?;
    let mut table = Table::new(["WORKER", "HOLDS", "LEASE", "JOINED", "LISTENS TO"]);
    for worker in &workers {
        table.row([
            worker.name.clone(),
            worker.held.to_string(),
            match worker.lease_left {
                Some(left) => format!("{} left", age::about(left)),
                None => "gone".to_owned(),
            },
            age::relative(worker.joined_at, now),
            worker.listens.clone(),
        ]);
    }
    env.out.table(&table, "no worker is known")?;
    Ok(Exit::Ok)
}
