//! What is said of a message besides its task and arguments.

use std::time::Duration;

use towpath_core::message::Start;
use towpath_core::{Draft, QueueName, Retries, Timestamp, limits};

use crate::env::Env;
use crate::exit::{Failure, Result};
use crate::values::{IdArg, Pair, duration, id, instant, metadata, pair};

/// What differs from the task's defaults.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "The message")]
pub(super) struct DraftArgs {
    /// Put it into this queue [default: the task's, else "default"]
    #[arg(long, value_name = "QUEUE")]
    queue: Option<QueueName>,
    /// Its priority; lower runs first [default: the task's, else 0]
    #[arg(long, value_name = "N")]
    priority: Option<u32>,
    /// Start it not before this long from now, such as 10s or 1h 30m; at most ten years
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true,
          conflicts_with = "at")]
    delay: Option<Duration>,
    /// Start it not before this time, such as 2026-03-01T09:00:00Z, or milliseconds since 1970 UTC
    #[arg(long, value_name = "TIME", value_parser = instant, allow_hyphen_values = true)]
    at: Option<Timestamp>,
    /// Its id: a UUID, or any text of yours; a second submit of one id is refused
    ///
    /// For as long as the first message is kept. The text is taken wherever an id is asked for.
    #[arg(long, value_name = "ID", value_parser = id)]
    id: Option<IdArg>,
    /// Attach a text by name; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    metadata: Vec<Pair>,
    /// How often it is tried again after a failure: a number, or unlimited [default: the task's, else 3]
    #[arg(long, value_name = "N", value_parser = retries, allow_hyphen_values = true)]
    retries: Option<Retries>,
    /// How long one attempt may take [default: the task's, else 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,
    /// Start it no later than this long from now; then it is a dead letter [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    expires_in: Option<Duration>,
    /// Keep it and its result this long after its success [default: the task's, else 24h]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    result_ttl: Option<Duration>,
}

impl DraftArgs {
    /// The draft with what was said. Limits are checked by the broker, before anything is written.
    pub(super) async fn apply(self, mut draft: Draft, env: &Env) -> Result<Draft> {
        if let Some(id) = self.id {
            draft.id = id.id;
        }
        draft.queue = self.queue.unwrap_or(draft.queue);
        draft.priority = self.priority.unwrap_or(draft.priority);
        draft.start = start(self.delay, self.at, env)
            .await?
            .unwrap_or(draft.start);
        let options = &mut draft.options;
        options.metadata.extend(metadata(self.metadata)?);
        options.retries = self.retries.unwrap_or(options.retries);
        options.timeout = self.timeout.unwrap_or(options.timeout);
        options.expires_in = self.expires_in.or(options.expires_in);
        options.result_ttl = self.result_ttl.or(options.result_ttl);
        Ok(draft)
    }
}

/// When a message is to start, of `--delay` and `--at`.
pub(crate) async fn start(
    delay: Option<Duration>,
    at: Option<Timestamp>,
    env: &Env,
) -> Result<Option<Start>> {
    let Some(at) = at else {
        return Ok(delay.map(Start::After));
    };
    let now = env.app.store().now().await?;
    if at > now.after(limits::LONGEST) {
        return Err(Failure::usage(
            "--at is more than ten years away, which is the limit",
        ));
    }
    Ok(Some(Start::At(at)))
}

fn retries(text: &str) -> std::result::Result<Retries, String> {
    match text {
        "unlimited" => Ok(Retries::Unlimited),
        number => number
            .parse()
            .map(Retries::AtMost)
            .map_err(|_| "write a number from 0, or unlimited".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_have_no_limit_only_when_told() {
        assert_eq!(retries("0"), Ok(Retries::AtMost(0)));
        assert_eq!(retries("7"), Ok(Retries::AtMost(7)));
        assert_eq!(retries("unlimited"), Ok(Retries::Unlimited));
        for bad in ["-1", "", "many", "4294967296"] {
            assert!(retries(bad).is_err(), "{bad}");
        }
    }
}
