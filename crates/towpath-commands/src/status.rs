//! `status`: where a message is, in one word.

use serde::Serialize;
use serde_json::Value;
use towpath_core::{MessageId, Status};

use crate::env::Env;
use crate::exit::{Exit, Result};
use crate::output::escape;
use crate::values::{IdArg, id};

/// Print the status of a message, and its progress
///
/// SUBMITTED (waits, never ran), RUNNING, RETRYING (waits after an attempt), SUCCEEDED, FAILED,
/// REVOKED, or UNKNOWN (never submitted, removed or pruned; exit code 3). What its handler last told of
/// its progress follows on a second line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath status 0195f5c0-7f3e-7000-8000-000000000001
  towpath status order-17 --json

With --json: {\"id\", \"status\", \"claims\", \"details\"?}")]
pub(crate) struct Args {
    /// The message: its id, or the text that was given as its id
    #[arg(value_name = "ID", value_parser = id)]
    id: IdArg,
}

#[derive(Serialize)]
struct View<'a> {
    id: MessageId,
    status: &'static str,
    claims: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let id = args.id.id;
    let record = env.broker().get(id).await?;
    let status = record
        .as_ref()
        .map_or(Status::Unknown, towpath_core::message::Record::status);
    let details = record.as_ref().and_then(|record| record.details.as_ref());
    if env.json() {
        env.out.json(&View {
            id,
            status: status.as_str(),
            claims: record
                .as_ref()
                .map_or(0, |record| record.message.counters.claims),
            details,
        })?;
    } else {
        env.out.line(status)?;
        if let Some(details) = details {
            env.out.line(escape::line(&details.to_string()))?;
        }
    }
    Ok(match status {
        Status::Unknown => Exit::NotFound,
        _ => Exit::Ok,
    })
}
