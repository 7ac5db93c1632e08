//! `messages`: seeing and changing messages in any state.

pub(crate) mod list;
mod remove;
mod replay;
pub(crate) mod show;
mod update;
mod waits;

use clap::Subcommand;

use crate::env::Env;
use crate::exit::Result;

/// See and change messages
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
    Update(update::Args),
    Remove(remove::Args),
    Replay(replay::Args),
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    match args.command {
        Command::List(args) => list::run(args, env).await,
        Command::Show(args) => show::run(args, env).await,
        Command::Update(args) => update::run(args, env).await,
        Command::Remove(args) => remove::run(args, env).await,
        Command::Replay(args) => replay::run(args, env).await,
    }
}
