//! The message that had to fail: what was tried, and when it was given up.

use serde::Serialize;
use towpath_core::message::{Attempt, Record};
use towpath_core::{FailReason, MessageId};

use crate::output::{age, escape};

/// A dead letter, for programs.
#[derive(Debug, Serialize)]
pub(super) struct DeadLetter<'a> {
    id: MessageId,
    reason: Option<&'static str>,
    attempts: &'a [Attempt],
}

impl<'a> DeadLetter<'a> {
    pub(super) fn new(record: &'a Record) -> Self {
        let reason = record.reason.map(FailReason::as_str);
        Self {
            id: record.id,
            reason,
            attempts: &record.attempts,
        }
    }
}

/// One line per attempt, for people.
pub(super) fn story(record: &Record) -> Vec<String> {
    let attempts = &record.attempts;
    let waits = std::iter::once(None).chain(attempts.windows(2).map(|two| wait(&two[0], &two[1])));
    let lines = attempts
        .iter()
        .zip(waits)
        .enumerate()
        .map(|(index, (attempt, wait))| {
            let when = wait.map_or_else(|| "at once".to_owned(), |wait| format!("{wait} later"));
            let error = attempt
                .error
                .as_ref()
                .map_or("", |error| error.name.as_str());
            let error = escape::line(error);
            let then = match record.reason {
                Some(reason) if index + 1 == attempts.len() => {
                    format!("{reason}: now a dead letter")
                }
                _ => "to be retried".to_owned(),
            };
            format!("attempt {}  {when:<12}  {error}, {then}", index + 1)
        });
    lines.collect()
}

fn wait(before: &Attempt, next: &Attempt) -> Option<String> {
    Some(age::about(next.started_at?.since(before.ended_at)))
}
