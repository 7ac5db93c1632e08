//! `dead`: messages that failed or were revoked, and what to do with them.

mod list;
mod purge;
mod requeue;
mod show;

use clap::Subcommand;

use crate::env::Env;
use crate::exit::Result;

/// See dead letters, put them back or delete them
///
/// A message that failed for good or was revoked is a dead letter. It is kept for 7 days with its
/// errors, and then deleted.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Requeue(requeue::Args),
    Purge(purge::Args),
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    match args.command {
        Command::List(args) => list::run(args, env).await,
        Command::Show(args) => show::run(args, env).await,
        Command::Requeue(args) => requeue::run(args, env).await,
        Command::Purge(args) => purge::run(args, env).await,
    }
}
