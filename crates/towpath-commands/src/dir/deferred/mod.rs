//! `dir deferred`: promised clean-up, as it is written down in a state directory.

mod letters;
mod list;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use towpath_coord::deferred::{Config, Registry};
use towpath_coord::{Place, World};

use crate::cleanup::state_directory;
use crate::exit::Result;
use crate::output::Out;
use crate::place::PlaceArgs;
use crate::values::duration;

/// See promised clean-up, keep what is overdue, try again or forget what was given up
///
/// `with-cleanup` and workers write promises down in DIR/deferred, and keep them. What a process could not keep because
/// it was killed is kept by the next one, or here.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what was promised, by whom, and what was given up
    ///
    /// Nothing is locked or changed. Each with-cleanup promises one thing by itself: to remove its socket.
    #[command(after_help = "\
Examples:
  towpath dir deferred list
  towpath dir deferred list /var/lib/jobs

With --json: {\"files\": [{\"name\", \"owner\", \"life\": \"alive\"|\"dead\"|\"unknown\", \"pending\", \"unknown\", \"damaged\"}], \
\"dead\": [{\"id\", \"name\", \"arguments\", \"attempts\", \"error\"}], \"quarantined\"}; unknown names functions that this \
program does not have.")]
    List {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Keep what was promised by processes that are dead
    #[command(after_help = "\
Examples:
  towpath dir deferred run /var/lib/jobs

Exit code 1 when something was given up, or had to be left.

With --json: {\"done\", \"failed\", \"dead\", \"parked\", \"taken\", \"quarantined\", \"troubles\"}; failed counts attempts, dead \
what was given up, parked what was left, taken the state files of others.")]
    Run {
        #[command(flatten)]
        state: StateArgs,
        #[command(flatten)]
        limits: RunArgs,
    },
    /// The same, and remove DIR/deferred if nobody uses it and nothing is left in it
    #[command(after_help = "\
Examples:
  towpath dir deferred clean /var/lib/jobs

Exit code 1 when something was given up, or had to be left.

With --json: as `run`, in {\"report\", \"removed\"}")]
    Clean {
        #[command(flatten)]
        state: StateArgs,
        #[command(flatten)]
        limits: RunArgs,
    },
    /// Try again, now, what was given up
    #[command(after_help = "\
Examples:
  towpath dir deferred requeue /var/lib/jobs func0123456789abcdef-1

Exit code 3 when there is no such id; 1 when it was given up again, under another id.

With --json: as `run`")]
    Requeue {
        #[command(flatten)]
        letters: LetterArgs,
        #[command(flatten)]
        limits: RunArgs,
    },
    /// Forget what was given up
    #[command(after_help = "\
Examples:
  towpath dir deferred drop /var/lib/jobs func0123456789abcdef-1

Exit code 3 when there is no such id.

With --json: {\"dropped\"}")]
    Drop {
        #[command(flatten)]
        letters: LetterArgs,
    },
}

#[derive(Debug, clap::Args)]
struct StateArgs {
    /// The state directory, as with-cleanup --state-dir takes it [default: the one that with-cleanup takes]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
struct LetterArgs {
    /// The state directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// What is meant, as `list` tells it
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// How long one promise may take; then it is killed, and has failed
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1m")]
    deadline: Duration,
}

impl StateArgs {
    /// The directory; `None` where none is named and nobody has promised anything yet.
    fn open(&self) -> Result<Option<Place>> {
        let directory = state_directory(self.directory.clone())?;
        if self.directory.is_none() && !directory.exists() {
            return Ok(None);
        }
        self.place.open(&directory).map(Some)
    }
}

impl LetterArgs {
    fn open(&self) -> Result<Place> {
        self.place.open(&self.directory)
    }
}

impl RunArgs {
    fn config(&self) -> Config {
        Config {
            deadline: self.deadline,
            ..Config::default()
        }
    }
}

/// The functions that this program has.
fn registry() -> Result<Registry> {
    let mut registry = Registry::new();
    registry.add_builtin(&World::new())?;
    Ok(registry)
}

pub(super) async fn run(args: Args, out: &Out) -> Result {
    match args.command {
        Command::List { state } => list::run(state.open()?.as_ref(), out),
        Command::Run { state, limits } => run::run(state.open()?, limits.config(), out).await,
        Command::Clean { state, limits } => run::clean(state.open()?, limits.config(), out).await,
        Command::Requeue { letters, limits } => {
            letters::requeue(letters, limits.config(), out).await
        }
        Command::Drop { letters } => letters::forget(&letters, out),
    }
}
