//! A message as it is shown: the JSON shape that every command shares. It is a shape of its own, so
//! that it stays as it is when the library's types change.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use towpath_core::message::{Attempt, AttemptError, Metadata, Record, ResultRecord};
use towpath_core::{Codecs, MessageId, Retries, Timestamp};

use super::json;

/// A message for programs. Times and durations are integer milliseconds; what is not there is left out.
#[derive(Serialize)]
pub(crate) struct MessageView<'a> {
    id: MessageId,
    task: &'a str,
    queue: &'a str,
    status: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    priority: u32,
    payload: Box<RawValue>,
    codec: &'a str,
    metadata: &'a Metadata,
    submitted_at_ms: Timestamp,
    updated_at_ms: Timestamp,
    due_at_ms: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at_ms: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_until_ms: Option<Timestamp>,
    claims: u32,
    retries: u32,
    /// `null` when there is no limit.
    max_retries: Option<u32>,
    losses: u32,
    snoozes: u32,
    timeout_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_ttl_ms: Option<u64>,
    mechanism: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    paused: bool,
    result: ResultView,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a AttemptError>,
    attempts: &'a [Attempt],
    callbacks: Vec<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progenitor: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_of: Option<MessageId>,
}

#[derive(Serialize)]
struct ResultView {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> MessageView<'a> {
    pub(crate) fn new(record: &'a Record, codecs: &Codecs) -> Self {
        let (options, counters) = (&record.options, record.message.counters);
        Self {
            id: record.id,
            task: record.task.as_str(),
            queue: record.queue.as_str(),
            status: record.status().as_str(),
            state: record.state.as_str(),
            reason: record.reason.map(towpath_core::FailReason::as_str),
            priority: record.priority,
            payload: json::payload(&record.payload, codecs),
            codec: record.payload.codec().as_str(),
            metadata: &options.metadata,
            submitted_at_ms: record.submitted_at,
            updated_at_ms: record.updated_at,
            due_at_ms: record.due_at,
            expires_at_ms: record.expires_at,
            finished_at_ms: record.finished_at,
            kept_until_ms: record.kept_until,
            claims: counters.claims,
            retries: counters.retries,
            max_retries: match options.retries {
                Retries::AtMost(retries) => Some(retries),
                Retries::Unlimited => None,
            },
            losses: counters.losses,
            snoozes: counters.snoozes,
            timeout_ms: millis(options.timeout),
            result_ttl_ms: options.result_ttl.map(millis),
            mechanism: options.mechanism.as_str(),
            backoff: options
                .backoff
                .as_ref()
                .and_then(|backoff| serde_json::to_value(backoff).ok()),
            worker: record.worker.as_deref(),
            paused: record.paused,
            result: result(record.result),
            details: record.details.as_ref(),
            error: record.error(),
            attempts: &record.attempts,
            callbacks: record.descendants(),
            progenitor: options.progenitor,
            previous: options.previous,
            replay_of: options.replay_of,
        }
    }
}

fn result(result: ResultRecord) -> ResultView {
    let (state, size) = match result {
        ResultRecord::None => ("none", None),
        ResultRecord::Kept { size } => ("kept", Some(size)),
        ResultRecord::TooLarge { size } => ("too_large", Some(size)),
        ResultRecord::Taken => ("taken", None),
    };
    ResultView { state, size }
}
