//! `dir`: what programs of this machine keep in a directory that they share.

mod clear;
mod cooldowns;
mod deferred;
mod intents;
mod lock;

use clap::Subcommand;

use crate::exit::Result;
use crate::output::Out;

/// See and mend a directory's lock, claims, cooldowns and promised clean-up
///
/// None of this needs a store. `make` claims files and lets them cool down, `with-cleanup` writes promises down.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lock(lock::Args),
    Intents(intents::Args),
    Cooldowns(cooldowns::Args),
    Deferred(deferred::Args),
}

pub(crate) async fn run(args: Args, out: &Out, program: &str) -> Result {
    match args.command {
        Command::Lock(args) => lock::run(args, out, program).await,
        Command::Intents(args) => intents::run(args, out),
        Command::Cooldowns(args) => cooldowns::run(args, out),
        Command::Deferred(args) => deferred::run(args, out).await,
    }
}
