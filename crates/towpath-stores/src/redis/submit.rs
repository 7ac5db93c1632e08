//! Submit: accepts messages.

use std::collections::{HashMap, HashSet};

use redis::Value;
use towpath_core::message::Start;
use towpath_core::{Draft, Error, Kind, MessageId, QueueName, Result, TaskName};

use super::body;
use super::reply::{self, Unexpected};
use super::script::{Call, SUBMIT};
use super::store::{Shared, check_batch};

/// Most messages of one call: the server does nothing else while a script runs.
const CALL_MAX: usize = 1_000;
/// Bytes of bodies after which the next call begins.
const CALL_BYTES: usize = 1024 * 1024;

pub(super) fn already_exists(id: MessageId) -> Error {
    Error::new(
        Kind::AlreadyExists,
        format!("message {id} is already in the store"),
    )
}

/// The element of a line without its rank: its place in the call, its flag, its id.
pub(super) fn tail(place: usize, draft: &Draft) -> [u8; 19] {
    let mut tail = [0; 19];
    // A call has far fewer messages than that.
    let place = u16::try_from(place).unwrap_or(u16::MAX);
    tail[..2].copy_from_slice(&place.to_be_bytes());
    tail[2] = body::flag(draft);
    tail[3..].copy_from_slice(draft.id.as_bytes());
    tail
}

/// A time to start, as the scripts read it.
pub(super) fn start(start: Start) -> String {
    match start {
        Start::Now => String::new(),
        Start::After(delay) => format!("+{}", delay.as_millis()),
        Start::At(time) => format!("@{}", time.as_millis()),
    }
}

/// A message with all that the scripts need to accept it.
pub(super) fn put_whole(call: &mut Call, place: usize, draft: &Draft) -> Result<()> {
    call.text(draft.queue.as_str())
        .text(draft.task.as_str())
        .number(draft.priority)
        .bytes(&tail(place, draft))
        .text(&start(draft.start))
        .bytes(&body::encode(draft)?);
    Ok(())
}

/// The messages of one line and priority that may run at once.
struct Group<'a> {
    queue: &'a QueueName,
    task: &'a TaskName,
    priority: u32,
    /// Whether one of them expires.
    expires: bool,
    members: Vec<(usize, &'a Draft)>,
}

impl Shared {
    pub(super) async fn submit(&self, drafts: Vec<Draft>) -> Result<Vec<Result<()>>> {
        check_batch("submit", drafts.len())?;
        let mut answers: Vec<Result<()>> = Vec::with_capacity(drafts.len());
        let mut seen = HashSet::with_capacity(drafts.len());
        let mut new = Vec::with_capacity(drafts.len());
        for (at, draft) in drafts.iter().enumerate() {
            if seen.insert(draft.id) {
                new.push((at, draft));
                answers.push(Ok(()));
            } else {
                answers.push(Err(already_exists(draft.id)));
            }
        }
        let (mut calls, mut spans) = (Vec::new(), Vec::new());
        let mut rest = &new[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest));
            calls.push(self.submit_call(now)?);
            spans.push(now);
            rest = later;
        }
        if calls.is_empty() {
            return Ok(answers);
        }
        for (span, answer) in spans.into_iter().zip(self.calls(calls).await?) {
            for place in self.read(&SUBMIT, answer, places)? {
                let Some((at, draft)) = span.get(place) else {
                    return Err(self.translate.answer(SUBMIT.name));
                };
                answers[*at] = Err(already_exists(draft.id));
            }
        }
        Ok(answers)
    }

    pub(super) fn submit_call(&self, drafts: &[(usize, &Draft)]) -> Result<Call> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut group_of = HashMap::new();
        let mut later = Vec::new();
        for (place, (_, draft)) in drafts.iter().enumerate() {
            if draft.start != Start::Now {
                later.push((place, *draft));
                continue;
            }
            let line = (&draft.queue, &draft.task, draft.priority);
            let group = *group_of.entry(line).or_insert_with(|| {
                groups.push(Group {
                    queue: &draft.queue,
                    task: &draft.task,
                    priority: draft.priority,
                    expires: false,
                    members: Vec::new(),
                });
                groups.len() - 1
            });
            groups[group].expires |= draft.options.expires_in.is_some();
            groups[group].members.push((place, draft));
        }
        let mut call = self.call_of(&SUBMIT);
        call.count(groups.len());
        for group in groups {
            call.text(group.queue.as_str())
                .text(group.task.as_str())
                .number(group.priority)
                .count(group.members.len())
                .text(if group.expires { "e" } else { "" });
            for (place, draft) in group.members {
                call.bytes(&tail(place, draft)).bytes(&body::encode(draft)?);
            }
        }
        call.count(later.len());
        for (place, draft) in later {
            put_whole(&mut call, place, draft)?;
        }
        Ok(call)
    }
}

/// How many of these go into one call.
fn fitting(drafts: &[(usize, &Draft)]) -> usize {
    let mut bytes = 0;
    let over = drafts.iter().take(CALL_MAX).position(|(_, draft)| {
        bytes += draft.payload.len();
        bytes > CALL_BYTES
    });
    // One that is too large alone goes alone.
    over.map_or(drafts.len().min(CALL_MAX), |over| over.max(1))
}

fn places(answer: Value) -> Result<Vec<usize>, Unexpected> {
    reply::array(answer)?.iter().map(reply::count).collect()
}
