//! `messages show`: all that is known of one message.

use serde::Serialize;
use towpath_core::message::{Attempt, Record, ResultRecord};
use towpath_core::{Error, Kind, Retries, Timestamp};

use super::waits::{Waits, waits};
use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::output::{MessageView, Table, age, cut, escape, json};
use crate::values::{IdArg, id};

/// A payload longer than this is cut; `--json` has all of it.
const PAYLOAD_SHOWN: usize = 2_000;

/// Show all that is known of a message, and what it waits for
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath messages show 0195f5c0-7f3e-7000-8000-000000000001
  towpath messages show order-17 --json | jq .attempts

With --json: {\"id\", \"task\", \"queue\", \"status\", \"state\", \"reason\"?, \"priority\", \"payload\", \"codec\",
\"metadata\", \"submitted_at_ms\", \"updated_at_ms\", \"due_at_ms\", \"expires_at_ms\"?, \"finished_at_ms\"?,
\"kept_until_ms\"?, \"claims\", \"retries\", \"max_retries\" (null: no limit), \"losses\", \"snoozes\",
\"timeout_ms\", \"result_ttl_ms\"?, \"mechanism\", \"backoff\"?, \"worker\"?, \"paused\", \"result\": {\"state\",
\"size\"?}, \"details\"?, \"error\"?, \"attempts\", \"callbacks\", \"progenitor\"?, \"previous\"?, \"replay_of\"?,
\"waits\": [{\"for\": \"time\" | \"resume\" | \"worker\", …}]}")]
pub(crate) struct Args {
    /// The message: its id, or the text that was given as its id
    #[arg(value_name = "ID", value_parser = id)]
    pub(crate) id: IdArg,
}

#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    message: MessageView<'a>,
    waits: Vec<Waits>,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let record = find(&args.id, env).await?;
    show(&record, env).await
}

/// The record of the message, or an error that names it as the user did.
pub(crate) async fn find(id: &IdArg, env: &Env) -> Result<Record> {
    env.broker().get(id.id).await?.ok_or_else(|| {
        let text = format!("message {id} is not in the store: never submitted, removed, or pruned");
        Failure::from(Error::new(Kind::NotFound, text))
    })
}

/// Prints all of a record.
pub(crate) async fn show(record: &Record, env: &Env) -> Result {
    let workers = env.broker().workers().await?;
    let waits = waits(record, &workers);
    if env.json() {
        let message = MessageView::new(record, env.app.codecs());
        env.out.json(&View { message, waits })?;
        return Ok(Exit::Ok);
    }
    let now = env.app.store().now().await?;
    let mut lines = Lines::default();
    lines.what(record, env);
    for wait in &waits {
        lines.add("waits for", wait.text(now));
    }
    lines.when(record, now);
    lines.how(record);
    lines.lineage(record);
    for (label, value) in lines.0 {
        env.out
            .line(format_args!("{label:<12}  {}", escape::line(&value)))?;
    }
    if !record.attempts.is_empty() {
        env.out.line("")?;
        env.out.table(&attempts(&record.attempts, now), "")?;
    }
    if let Some(trace) = record.error().and_then(|error| error.traceback.as_ref()) {
        env.out
            .line(format_args!("\nlast trace:\n{}", escape::text(trace)))?;
    }
    Ok(Exit::Ok)
}

/// Labels and what they say.
#[derive(Default)]
struct Lines(Vec<(&'static str, String)>);

impl Lines {
    fn add(&mut self, label: &'static str, value: impl std::fmt::Display) {
        self.0.push((label, value.to_string()));
    }

    fn what(&mut self, record: &Record, env: &Env) {
        self.add("message", record.id);
        self.add("task", &record.task);
        self.add("queue", &record.queue);
        self.add("status", status(record));
        let payload = json::payload(&record.payload, env.app.codecs());
        self.add("payload", cut(payload.get(), PAYLOAD_SHOWN));
        for (name, value) in &record.options.metadata {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
            self.add("metadata", format!("{name}={value}"));
        }
        if let Some(details) = &record.details {
            self.add("details", details);
        }
        match record.result {
            ResultRecord::None => {}
            ResultRecord::Kept { size } => self.add("result", format!("{size} bytes")),
            ResultRecord::TooLarge { size } => {
                self.add("result", format!("{size} bytes, over the limit, not kept"));
            }
            ResultRecord::Taken => self.add("result", "taken"),
        }
        if let Some(error) = record.error() {
            self.add("last error", error);
        }
    }

    fn when(&mut self, record: &Record, now: Timestamp) {
        self.add("submitted", age::full(record.submitted_at, now));
        let times = [
            (
                "expires",
                record.expires_at.filter(|_| !record.state.is_terminal()),
            ),
            ("finished", record.finished_at),
            ("kept until", record.kept_until),
        ];
        for (label, time) in times {
            if let Some(time) = time {
                self.add(label, age::full(time, now));
            }
        }
    }

    fn how(&mut self, record: &Record) {
        let (options, counters) = (&record.options, record.message.counters);
        let of = match options.retries {
            Retries::AtMost(retries) => retries.to_string(),
            Retries::Unlimited => "unlimited".to_owned(),
        };
        self.add("retries", format!("{} of {of}", counters.retries));
        self.add(
            "counters",
            format!(
                "{} claims, {} lost workers, {} snoozes",
                counters.claims, counters.losses, counters.snoozes
            ),
        );
        self.add("priority", record.priority);
        self.add("timeout", age::exact(options.timeout));
        self.add("mechanism", options.mechanism.as_str());
        if let Some(backoff) = &options.backoff {
            self.add(
                "backoff",
                serde_json::to_string(backoff).unwrap_or_default(),
            );
        }
    }

    fn lineage(&mut self, record: &Record) {
        let options = &record.options;
        let from = [
            ("first of chain", options.progenitor),
            ("submitted by", options.previous),
            ("replay of", options.replay_of),
        ];
        for (label, id) in from {
            if let Some(id) = id {
                self.add(label, id);
            }
        }
        for id in record.descendants() {
            self.add("then", id);
        }
    }
}

fn status(record: &Record) -> String {
    let status = record.status();
    match (&record.reason, &record.worker) {
        (Some(reason), _) => format!("{status} ({reason})"),
        (None, Some(worker)) => format!("{status} on {worker}"),
        (None, None) => status.to_string(),
    }
}

fn attempts(attempts: &[Attempt], now: Timestamp) -> Table {
    let mut table = Table::new(["ATTEMPT", "ENDED", "TOOK", "OUTCOME", "WORKER", "ERROR"]);
    for attempt in attempts {
        let took = attempt
            .started_at
            .map(|started| attempt.ended_at.since(started));
        table.row([
            attempt.claims.to_string(),
            age::relative(attempt.ended_at, now),
            took.map_or_else(|| "-".to_owned(), age::about),
            format!("{:?}", attempt.outcome).to_lowercase(),
            attempt.worker.clone(),
            attempt
                .error
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
        ]);
    }
    table
}
