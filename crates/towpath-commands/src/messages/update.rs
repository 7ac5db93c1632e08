//! `messages update`: changes a message that waits.

use std::time::Duration;

use serde::Serialize;
use towpath_core::store::Update;
use towpath_core::{MessageId, Timestamp};

use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::submit::start;
use crate::values::{IdArg, JsonArg, Pair, duration, id, instant, metadata, pair};

/// Change a message that waits
///
/// Only a scheduled or ready message can be changed; one that runs is refused. What is not named stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath messages update order-17 --priority 0 --delay 0s
  towpath messages update order-17 --payload '{\"total\": 12}'

With --json: {\"id\"}")]
pub(crate) struct Args {
    /// The message: its id, or the text that was given as its id
    #[arg(value_name = "ID", value_parser = id)]
    id: IdArg,
    /// Another priority; lower runs first
    #[arg(long, value_name = "N")]
    priority: Option<u32>,
    /// Start it not before this long from now; 0s is at once
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true,
          conflicts_with = "at")]
    delay: Option<Duration>,
    /// Start it not before this time (RFC 3339, or milliseconds since 1970 UTC)
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    at: Option<Timestamp>,
    /// Metadata in place of all that it has; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "no_metadata")]
    metadata: Vec<Pair>,
    /// Take all its metadata away
    #[arg(long)]
    no_metadata: bool,
    /// Other arguments, as JSON; - reads them from standard input
    #[arg(long, value_name = "JSON")]
    payload: Option<JsonArg>,
}

#[derive(Serialize)]
struct View {
    id: MessageId,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let id = args.id.id;
    let replaced = (args.no_metadata || !args.metadata.is_empty()).then_some(args.metadata);
    let update = Update {
        priority: args.priority,
        start: start(args.delay, args.at, env).await?,
        metadata: replaced.map(metadata).transpose()?,
        payload: args.payload.map(JsonArg::read).transpose()?,
    };
    if update == Update::default() {
        return Err(Failure::usage("nothing is to be changed")
            .hint("give --priority, --delay, --at, --metadata or --payload"));
    }
    env.broker().update(id, update).await?;
    if env.json() {
        env.out.json(&View { id })?;
    } else {
        env.out.line(format_args!("updated message {id}"))?;
    }
    Ok(Exit::Ok)
}
