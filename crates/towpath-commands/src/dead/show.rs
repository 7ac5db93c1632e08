//! `dead show`: all that is known of one dead letter.

use towpath_core::{Error, Kind, State};

use crate::env::Env;
use crate::exit::{Failure, Result};
use crate::messages::show;
use crate::values::{IdArg, id};

/// Show a dead letter with the errors of its attempts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dead show 0195f5c0-7f3e-7000-8000-000000000001

With --json: as `messages show`.")]
pub(crate) struct Args {
    /// The message: its id, or the text that was given as its id
    #[arg(value_name = "ID", value_parser = id)]
    id: IdArg,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let record = show::find(&args.id, env).await?;
    if !matches!(record.state, State::Failed | State::Revoked) {
        let (id, status) = (&args.id, record.status());
        let text = format!("message {id} is not a dead letter: it is {status}");
        let hint = env.command(&format!("messages show {}", args.id.id));
        return Err(Failure::from(Error::new(Kind::WrongState, text)).hint(hint));
    }
    show::show(&record, env).await
}
