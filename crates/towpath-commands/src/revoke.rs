//! `revoke`: calls messages off.

use crate::bulk::{self, BulkArgs, Verb};
use crate::env::Env;
use crate::exit::Result;

/// Call messages off: they will not run, or their attempt is dropped
///
/// A message that runs is taken from its worker, which is told to stop; its result would be refused.
/// A revoked message is a dead letter and can be put back with `dead requeue`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath revoke 0195f5c0-7f3e-7000-8000-000000000001
  towpath revoke --queue mail --older-than 1h --skip-running

With --json: {\"verb\", \"dry_run\", \"selected\", \"changed\", \"skipped\", \"failed\"?, \"ids\"? (of a dry run)}")]
pub(crate) struct Args {
    /// Leave messages alone that are being run
    #[arg(long)]
    skip_running: bool,
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let Args { skip_running, bulk } = args;
    bulk::run(Verb::Revoke { skip_running }, bulk, env).await
}
