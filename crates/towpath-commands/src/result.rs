//! `result`: what a message gave.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use towpath_core::{Kind, MessageId};

use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::output::{escape, json};
use crate::values::{IdArg, duration, id};

/// Print the result of a message as JSON
///
/// A result is kept for 24 hours after the success, unless the message says otherwise. The exit code
/// tells why there is none: 1 it failed or was revoked, 3 unknown or taken, 4 it has not ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath result 0195f5c0-7f3e-7000-8000-000000000001 --wait 30s
  towpath result order-17 --take | jq .total

With --json: {\"id\", \"result\"}")]
pub(crate) struct Args {
    /// The message: its id, or the text that was given as its id
    #[arg(value_name = "ID", value_parser = id)]
    id: IdArg,
    /// Wait this long for the message to end, such as 5s or 1h; 0s looks once
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s",
          allow_hyphen_values = true)]
    wait: Duration,
    /// Delete the result from the store; of two takers one gets it
    #[arg(long)]
    take: bool,
}

#[derive(Serialize)]
struct View {
    id: MessageId,
    result: Box<RawValue>,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let id = args.id.id;
    let results = env.broker().results();
    let read = if args.take {
        results.take_payload(id, args.wait).await
    } else {
        results.get_payload(id, args.wait).await
    };
    let payload = read.map_err(|error| {
        let kind = error.kind();
        let failure = Failure::from(error);
        match kind {
            Kind::TimedOut => failure.hint(format!(
                "wait longer: {}",
                env.command(&format!("result {id} --wait 30s"))
            )),
            Kind::Failed => failure.hint(format!(
                "see why: {}",
                env.command(&format!("dead show {id}"))
            )),
            _ => failure,
        }
    })?;
    let result = json::payload(&payload, env.app.codecs());
    if env.json() {
        env.out.json(&View { id, result })?;
    } else {
        env.out.line(escape::json(result.get()))?;
    }
    Ok(Exit::Ok)
}
