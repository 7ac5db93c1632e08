//! Submit: accepts messages, by the line, and in each line those in packs that can be.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use towpath_core::message::Start;
use towpath_core::{Draft, Error, Kind, MessageId, QueueName, Result, TaskName};

use super::body;
use super::driver::Alive;
use super::error::stopped;
use super::pack::{self, Member};
use super::reply::{self, Unexpected};
use super::script::{Call, SUBMIT};
use super::store::{Shared, check_batch};
use crate::gather::{Accepted, Group as Gathered, Most, Turn};

/// Most of one call: the server does nothing else while a script runs. Three packs.
const CALL: Most = Most {
    messages: 300,
    bytes: 1024 * 1024,
};
/// A message with a time to start takes as long as so many others.
const LATER: usize = 3;

/// From so many on what one caller brings stays together; fewer go into packs with those of others.
const BATCH_MIN: usize = 8;

/// A queue, a task, and a priority.
pub(super) type Line = (QueueName, TaskName, u32);

pub(super) fn already_exists(id: MessageId) -> Error {
    Error::new(
        Kind::AlreadyExists,
        format!("message {id} is already in the store"),
    )
}

/// The element of a line without its rank: its place in the call, its flag, its id.
pub(super) fn tail(place: usize, draft: &Draft) -> [u8; 19] {
    let mut tail = [0; 19];
    tail[..2].copy_from_slice(&self::place(place));
    tail[2] = body::flag(draft);
    tail[3..].copy_from_slice(draft.id.as_bytes());
    tail
}

/// A place in a call, as the scripts read it.
fn place(place: usize) -> [u8; 2] {
    // A call has far fewer messages than that.
    u16::try_from(place).unwrap_or(u16::MAX).to_be_bytes()
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

/// A message of a call: its place in the submit, which batch it came with, and what was asked for.
pub(super) struct New<'a> {
    pub(super) at: usize,
    pub(super) batch: usize,
    pub(super) draft: &'a Draft,
}

/// The messages of one line and priority that may run at once.
struct Group<'a> {
    queue: &'a QueueName,
    task: &'a TaskName,
    priority: u32,
    members: Vec<Member<'a>>,
}

/// Neighbours of a group that are accepted in the same way.
enum Row<'a> {
    Pack(&'a [Member<'a>]),
    Singles(&'a [Member<'a>]),
}

impl<'a> Group<'a> {
    fn rows(&'a self) -> Vec<Row<'a>> {
        let (mut rows, mut rest) = (Vec::new(), &self.members[..]);
        while !rest.is_empty() {
            let packed = pack::fitting(rest);
            let row = if packed > 0 {
                packed
            } else {
                let begins_pack = |at: &usize| pack::fitting(&rest[*at..]) > 0;
                (1..rest.len()).find(begins_pack).unwrap_or(rest.len())
            };
            let (now, later) = rest.split_at(row);
            rows.push(if packed > 0 {
                Row::Pack(now)
            } else {
                Row::Singles(now)
            });
            rest = later;
        }
        rows
    }

    fn put(&self, call: &mut Call, row: &Row<'_>) {
        let (Row::Pack(members) | Row::Singles(members)) = row;
        call.text(self.queue.as_str())
            .text(self.task.as_str())
            .number(self.priority)
            .count(members.len());
        match row {
            Row::Pack(members) => {
                call.text("p")
                    .bytes(&place(members[0].place))
                    .bytes(&pack::content(members));
            }
            Row::Singles(members) => {
                let expires = |member: &Member<'_>| member.draft.options.expires_in.is_some();
                call.text(if members.iter().any(expires) { "e" } else { "" });
                for member in *members {
                    call.bytes(&tail(member.place, member.draft))
                        .bytes(&member.body);
                }
            }
        }
    }
}

impl Shared {
    /// What many callers bring for one line at a time goes out together. Other lines have other keys, so a key that
    /// is broken is told to nobody else.
    pub(super) async fn submit(self: &Arc<Self>, drafts: Vec<Draft>) -> Result<Accepted> {
        check_batch("submit", drafts.len())?;
        let Some(line) = common_line(&drafts).filter(|_| drafts.len() < CALL.messages) else {
            return self.submit_alone(&drafts).await;
        };
        // Before anything is brought: what is brought is sent, also when the store is closed meanwhile.
        let driver = self.driver()?;
        let alive = driver.begin()?;
        let (answer, turn) = self.gather.bring(line, drafts);
        if let Some(turn) = turn {
            driver.spawn(self.clone().submit_waiting(turn, alive));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(stopped(self.translate.url())))
    }

    async fn submit_waiting(self: Arc<Self>, mut turn: Turn<Line>, alive: Alive) {
        while let Some(group) = turn.next(CALL) {
            let batches = batches_of(&group);
            let answers = self.submit_batches(group.drafts(), &batches, &alive).await;
            let fault = answers.as_ref().err().filter(|error| error.is_transient());
            if let Some(error) = fault {
                turn.fail_waiting(error);
            }
            group.answer(answers);
        }
    }

    async fn submit_alone(&self, drafts: &[Draft]) -> Result<Accepted> {
        let alive = self.driver()?.begin()?;
        self.submit_batches(drafts, &vec![0; drafts.len()], &alive)
            .await
    }

    /// Submits these, each of which came with the batch of that number.
    async fn submit_batches(
        &self,
        drafts: &[Draft],
        batches: &[usize],
        alive: &Alive,
    ) -> Result<Accepted> {
        let mut answers: Vec<Result<()>> = Vec::with_capacity(drafts.len());
        let mut seen = HashSet::with_capacity(drafts.len());
        let mut new = Vec::with_capacity(drafts.len());
        for (at, (draft, batch)) in drafts.iter().zip(batches).enumerate() {
            if seen.insert(draft.id) {
                new.push(New {
                    at,
                    batch: *batch,
                    draft,
                });
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
        for (span, answer) in spans.into_iter().zip(self.calls_of(calls, alive).await?) {
            for place in self.read(&SUBMIT, answer, places)? {
                let Some(new) = span.get(place) else {
                    return Err(self.translate.answer(SUBMIT.name));
                };
                answers[new.at] = Err(already_exists(new.draft.id));
            }
        }
        Ok(answers)
    }

    pub(super) fn submit_call(&self, drafts: &[New<'_>]) -> Result<Call> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut group_of = HashMap::new();
        let mut later = Vec::new();
        for (place, New { draft, batch, .. }) in drafts.iter().enumerate() {
            if is_later(draft) {
                later.push((place, *draft));
                continue;
            }
            let line = (&draft.queue, &draft.task, draft.priority);
            let group = *group_of.entry(line).or_insert_with(|| {
                groups.push(Group {
                    queue: &draft.queue,
                    task: &draft.task,
                    priority: draft.priority,
                    members: Vec::new(),
                });
                groups.len() - 1
            });
            groups[group].members.push(Member {
                place,
                batch: *batch,
                draft,
                body: body::encode(draft)?,
            });
        }
        let rows = groups.iter().map(|group| (group, group.rows()));
        let rows: Vec<(&Group<'_>, Vec<Row<'_>>)> = rows.collect();
        let mut call = self.call_of(&SUBMIT);
        call.count(rows.iter().map(|(_, rows)| rows.len()).sum());
        for (group, rows) in &rows {
            for row in rows {
                group.put(&mut call, row);
            }
        }
        call.count(later.len());
        for (place, draft) in later {
            put_whole(&mut call, place, draft)?;
        }
        Ok(call)
    }
}

/// The line of all of these; `None` when there are none, or of several lines.
fn common_line(drafts: &[Draft]) -> Option<Line> {
    let line = |draft: &Draft| (draft.queue.clone(), draft.task.clone(), draft.priority);
    let is_same = |pair: &[Draft]| {
        let [one, other] = pair else { return false };
        (&one.queue, &one.task, one.priority) == (&other.queue, &other.task, other.priority)
    };
    drafts
        .first()
        .map(line)
        .filter(|_| drafts.windows(2).all(is_same))
}

/// The number of the batch that each message of a group came with: the caller's own, or 0 where he brought few.
fn batches_of(group: &Gathered) -> Vec<usize> {
    let mut batches = Vec::with_capacity(group.drafts().len());
    for (number, count) in group.counts().enumerate() {
        let batch = if count < BATCH_MIN { 0 } else { number + 1 };
        batches.resize(batches.len() + count, batch);
    }
    batches
}

/// Whether a message has a time to start.
fn is_later(draft: &Draft) -> bool {
    !matches!(draft.start, Start::Now | Start::After(Duration::ZERO))
}

/// How many of these go into one call.
fn fitting(drafts: &[New<'_>]) -> usize {
    let (mut bytes, mut weight) = (0, 0);
    let over = drafts.iter().position(|New { draft, .. }| {
        bytes += draft.payload.len();
        weight += if is_later(draft) { LATER } else { 1 };
        bytes > CALL.bytes || weight > CALL.messages
    });
    // One that is too large alone goes alone.
    over.map_or(drafts.len(), |over| over.max(1))
}

fn places(answer: Value) -> Result<Vec<usize>, Unexpected> {
    reply::array(answer)?.iter().map(reply::count).collect()
}
