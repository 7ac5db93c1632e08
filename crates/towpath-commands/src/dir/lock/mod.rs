//! `dir lock`: the lock of a directory.

mod held;
mod release;
mod show;

use clap::Subcommand;
use serde::Serialize;
use towpath_coord::LockHolder;
use towpath_coord::liveness::Identity;
use towpath_core::Timestamp;

use crate::exit::Result;
use crate::output::Out;
use crate::place::{life, process};

/// Hold the lock of a directory while a command runs, see who holds it, or take it away
///
/// One process at a time holds it. It is renewed while its holder lives, free at once when its holder is
/// dead, and may be stolen when it was not renewed in time. While it is held there is a directory .lock in DIR.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(held::Args),
    Show(show::Args),
    Release(release::Args),
}

pub(crate) async fn run(args: Args, out: &Out, program: &str) -> Result {
    match args.command {
        Command::Run(args) => held::run(args, program).await,
        Command::Show(args) => show::run(&args, out),
        Command::Release(args) => release::run(&args, out),
    }
}

/// A holder for programs.
#[derive(Serialize)]
struct HolderView<'a> {
    owner: Option<&'a Identity>,
    life: &'static str,
    fence: Option<u64>,
    expires_at_ms: Timestamp,
    expired: bool,
}

impl<'a> HolderView<'a> {
    fn of(holder: &'a LockHolder) -> Self {
        Self {
            owner: holder.owner.as_ref(),
            life: life(holder.life),
            fence: holder.fence,
            expires_at_ms: holder.expires.into(),
            expired: holder.is_over,
        }
    }
}

/// A holder for people.
fn in_words(holder: &LockHolder) -> String {
    match &holder.owner {
        Some(owner) => process(owner),
        None => "a program that does not say who it is".to_owned(),
    }
}
