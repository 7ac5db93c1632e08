//! `locks`: who holds what, and releasing what nobody will release any more.

mod list;
mod release;
mod show;

use clap::Subcommand;

use crate::env::Env;
use crate::exit::Result;

/// See the locks that tasks and programs hold, or release one
///
/// A lock has one owner at a time: a host, a process or a thread. One with a ttl ends by itself when its
/// owner does not renew it; one without stays until it is released.
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
    Release(release::Args),
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    match args.command {
        Command::List(args) => list::run(args, env).await,
        Command::Show(args) => show::run(args, env).await,
        Command::Release(args) => release::run(args, env).await,
    }
}
