//! `messages remove`: deletes messages with their results.

use crate::bulk::{self, BulkArgs, Verb};
use crate::env::Env;
use crate::exit::Result;

/// Delete messages in any state but running, with their results
///
/// There is no way back. Messages that run are left alone: revoke them first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath messages remove 0195f5c0-7f3e-7000-8000-000000000001
  towpath messages remove --task report --state succeeded --dry-run

With --json: {\"verb\", \"dry_run\", \"selected\", \"changed\", \"skipped\", \"failed\"?, \"ids\"? (of a dry run)}")]
pub(crate) struct Args {
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    bulk::run(Verb::Remove, args.bulk, env).await
}
