//! `prune`: deletes what is past its retention, now.

use serde::Serialize;
use towpath_core::limits::UPKEEP_ROWS;

use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::counted;

/// Delete finished messages that are past their retention
///
/// Workers do so by themselves, in small steps. Succeeded messages are kept for 24 hours, failed and
/// revoked ones for 7 days, at most 1000000 and 100000 of them. What is still to be kept is not
/// touched; `messages remove` deletes by hand.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath prune

With --json: {\"removed\"}")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct View {
    removed: usize,
}

pub(crate) async fn run(_args: Args, env: &Env) -> Result {
    let mut removed = 0;
    loop {
        let pruned = env.app.store().prune(UPKEEP_ROWS).await?;
        removed += pruned.removed;
        if !pruned.more {
            break;
        }
    }
    if env.json() {
        env.out.json(&View { removed })?;
    } else if removed == 0 {
        env.out.line("nothing is past its retention")?;
    } else {
        env.out.line(format_args!(
            "removed {}",
            counted(removed as u64, "finished message")
        ))?;
    }
    Ok(Exit::Ok)
}
