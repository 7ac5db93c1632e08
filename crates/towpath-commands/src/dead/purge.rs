//! `dead purge`: deletes dead letters.

use crate::bulk::{self, BulkArgs, Verb};
use crate::env::Env;
use crate::exit::Result;

/// Delete dead letters
///
/// There is no way back. Letters are named by id, or selected by a filter.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dead purge 0195f5c0-7f3e-7000-8000-000000000001
  towpath dead purge --reason expired --older-than 1d

With --json: {\"verb\", \"dry_run\", \"selected\", \"changed\", \"skipped\", \"failed\"?, \"ids\"? (of a dry run)}")]
pub(crate) struct Args {
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    bulk::run(Verb::Purge, args.bulk, env).await
}
