//! `dead requeue`: puts dead letters back.

use crate::bulk::{self, BulkArgs, Verb};
use crate::env::Env;
use crate::exit::Result;

/// Put dead letters back: ready at once, their retries unspent
///
/// Their last error stays in their history. Letters are named by id, or selected by a filter.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dead requeue 0195f5c0-7f3e-7000-8000-000000000001
  towpath dead requeue --reason exhausted --error 'connection refused' --dry-run
  towpath dead requeue --all --yes

With --json: {\"verb\", \"dry_run\", \"selected\", \"changed\", \"skipped\", \"failed\"?, \"ids\"? (of a dry run)}")]
pub(crate) struct Args {
    #[command(flatten)]
    bulk: BulkArgs,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    bulk::run(Verb::Requeue, args.bulk, env).await
}
