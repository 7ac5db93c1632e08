//! `messages replay`: submits finished messages once more.

use crate::bulk::{self, BulkArgs, Verb};
use crate::env::Env;
use crate::exit::Result;

/// Submit finished messages once more, as new messages
///
/// The old message stays as it is; the new one names it in `replay_of`. To put a dead letter itself
/// back, use `dead requeue`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath messages replay 0195f5c0-7f3e-7000-8000-000000000001
  towpath messages replay --task report --newer-than 1d --dry-run

With --json: {\"verb\", \"dry_run\", \"selected\", \"changed\", \"skipped\", \"failed\"?, \"replayed\"?: [{\"id\",
\"new_id\"}], \"ids\"? (of a dry run)}")]
pub(crate) struct Args {
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    bulk::run(Verb::Replay, args.bulk, env).await
}
