//! Filters: flags become a filter, the filter's own flags the same filter, and any record can be held
//! against it.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use towpath_commands::__fuzz as door;
use towpath_core::life::Counters;
use towpath_core::message::{Attempt, AttemptOutcome, Message, Options, Record, ResultRecord};
use towpath_core::{
    AttemptError, Draft, FailReason, Payload, QueueName, State, TaskName, Timestamp,
};
use towpath_runtime::Filter;

#[derive(Debug, Arbitrary)]
struct Input {
    flags: Vec<(Flag, String)>,
    record: Made,
    now: i64,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Flag {
    Queue,
    Task,
    State,
    Reason,
    OlderThan,
    NewerThan,
    Error,
    Meta,
}

/// What a message in the store may say of itself.
#[derive(Debug, Arbitrary)]
struct Made {
    queue: String,
    task: String,
    state: u8,
    reason: Option<u8>,
    submitted: i64,
    metadata: Vec<(String, MetaValue)>,
    error: Option<(String, String)>,
}

#[derive(Debug, Arbitrary)]
enum MetaValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

fuzz_target!(|input: Input| {
    let words = words(&input.flags);
    let Ok(filter) = door::filter(&words) else {
        return;
    };
    let again = door::filter(&flags_of(&filter));
    assert_eq!(again.as_ref(), Ok(&filter), "{words:?}");
    let Some(record) = input.record.record() else {
        return;
    };
    let now = Timestamp::from_millis(input.now);
    let selected = filter.matches(&record, now);
    assert!(Filter::everything().matches(&record, now));
    assert_eq!(
        selected,
        expected(&filter, &record, now),
        "{filter:?} of {record:?}"
    );
});

fn words(flags: &[(Flag, String)]) -> Vec<String> {
    let name = |flag| match flag {
        Flag::Queue => "queue",
        Flag::Task => "task",
        Flag::State => "state",
        Flag::Reason => "reason",
        Flag::OlderThan => "older-than",
        Flag::NewerThan => "newer-than",
        Flag::Error => "error",
        Flag::Meta => "meta",
    };
    let word = |(flag, value): &(Flag, String)| format!("--{}={value}", name(*flag));
    flags.iter().map(word).collect()
}

/// The flags that mean this filter.
fn flags_of(filter: &Filter) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |name: &str, value: &dyn std::fmt::Display| {
        words.push(format!("--{name}={value}"));
    };
    if let Some(queue) = &filter.queue {
        add("queue", queue);
    }
    if let Some(task) = &filter.task {
        add("task", task);
    }
    match (filter.state, filter.reason) {
        (_, Some(reason)) => add("reason", &reason.as_str()),
        (Some(state), None) => add("state", &state.as_str()),
        (None, None) => {}
    }
    let whole =
        |duration: Duration| format!("{}s {}ns", duration.as_secs(), duration.subsec_nanos());
    if let Some(older) = filter.older_than {
        add("older-than", &whole(older));
    }
    if let Some(newer) = filter.newer_than {
        add("newer-than", &whole(newer));
    }
    if let Some(text) = &filter.error_contains {
        add("error", text);
    }
    for (name, value) in &filter.metadata {
        add("meta", &format!("{name}={value}"));
    }
    words
}

/// The same question, answered in another way.
fn expected(filter: &Filter, record: &Record, now: Timestamp) -> bool {
    let age = now.since(record.submitted_at);
    let refusals = [
        filter
            .queue
            .iter()
            .any(|queue| queue.as_str() != record.queue.as_str()),
        filter
            .task
            .iter()
            .any(|task| task.as_str() != record.task.as_str()),
        filter.state.iter().any(|state| *state != record.state),
        filter
            .reason
            .iter()
            .any(|reason| record.reason != Some(*reason)),
        filter.older_than.iter().any(|limit| age < *limit),
        filter.newer_than.iter().any(|limit| age > *limit),
        filter.error_contains.iter().any(|text| {
            let error = record.error();
            !error.is_some_and(|error| error.name.contains(text) || error.text.contains(text))
        }),
        filter.metadata.iter().any(|(name, wanted)| {
            let value = record.options.metadata.get(name);
            let text = value.map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
            text.as_ref() != Some(wanted)
        }),
    ];
    !refusals.contains(&true)
}

impl Made {
    fn record(&self) -> Option<Record> {
        let task = TaskName::new(&self.task).ok()?;
        let mut draft = Draft::new(task, Payload::json("[]"));
        draft.queue = QueueName::new(&self.queue).ok()?;
        draft.options = Options {
            metadata: self
                .metadata
                .iter()
                .map(|(name, value)| (name.clone(), value.json()))
                .collect(),
            ..Options::default()
        };
        let submitted_at = Timestamp::from_millis(self.submitted);
        let reason = |code: u8| FailReason::ALL[usize::from(code) % FailReason::ALL.len()];
        Some(Record {
            message: Message {
                draft,
                counters: Counters::default(),
                submitted_at,
                saved: None,
            },
            state: State::ALL[usize::from(self.state) % State::ALL.len()],
            reason: self.reason.map(reason),
            updated_at: submitted_at,
            due_at: submitted_at,
            expires_at: None,
            finished_at: None,
            kept_until: None,
            worker: None,
            paused: false,
            result: ResultRecord::None,
            attempts: self
                .error
                .iter()
                .map(|(name, text)| Attempt {
                    claims: 1,
                    worker: "w".to_owned(),
                    started_at: None,
                    ended_at: submitted_at,
                    outcome: AttemptOutcome::Failed,
                    error: Some(AttemptError::new(name, text)),
                })
                .collect(),
            details: None,
        })
    }
}

impl MetaValue {
    fn json(&self) -> serde_json::Value {
        match self {
            MetaValue::Null => serde_json::Value::Null,
            MetaValue::Bool(value) => (*value).into(),
            MetaValue::Int(value) => (*value).into(),
            MetaValue::Float(value) => (*value).into(),
            MetaValue::Text(value) => value.as_str().into(),
        }
    }
}
