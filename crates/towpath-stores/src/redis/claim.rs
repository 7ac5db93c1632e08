//! Claim: hands out ready messages, in the order of the selection.

use redis::Value;
use towpath_core::store::{Claim, Selection};
use towpath_core::{Message, MessageId, QueueName, Result, TaskName, limits};

use super::body::Names;
use super::bytes::{Reader, millis};
use super::lease::lease_lost;
use super::pack;
use super::record;
use super::reply::{self, Unexpected};
use super::script::{CLAIM, Call, Script};
use super::store::Shared;

/// Most messages of one call: the server does nothing else while a script runs, and to end and hand out a message
/// that stands for itself takes it 10 to 30 µs.
pub(super) const CALL_MAX: usize = 150;
/// A turn as large as a script counts exactly.
const TURN_MAX: u64 = 1 << 50;

/// What one call may hand out of what a claim wishes.
pub(super) struct Wish {
    pub(super) max: usize,
    /// So many are enough, or all of them.
    pub(super) enough: usize,
    pub(super) bytes: usize,
    /// How many the calls before it have handed out: none beside a message that is claimed alone.
    pub(super) before: usize,
}

impl Wish {
    /// What the next call may hand out, after so many messages of so many bytes.
    pub(super) fn of(claim: &Claim, got: usize, bytes: usize) -> Self {
        let (max, enough) = (claim.max.min(limits::BATCH), claim.enough);
        let (max, enough) = (max.saturating_sub(got), enough.saturating_sub(got));
        Self {
            max: max.min(CALL_MAX),
            // Where more calls follow none of them takes a pack apart for its own end.
            enough: enough
                .min(if max > CALL_MAX { CALL_MAX / 2 } else { max })
                .max(1),
            bytes: limits::CLAIM_BYTES.saturating_sub(bytes),
            before: got,
        }
    }

    /// Whether a call that was asked for this and handed out so many has left more that is wanted; `got` counts those
    /// of the calls before it too.
    pub(super) fn leaves_more(&self, claim: &Claim, handed_out: &[Message], got: usize) -> bool {
        let alone = handed_out.iter().any(|m| m.counters.claimed_alone());
        !alone && handed_out.len() >= self.enough && got < claim.enough.min(claim.max)
    }
}

/// The wish of a claim, as `lua/take.lua` reads it.
pub(super) fn put_wish(call: &mut Call, claim: &Claim, wish: &Wish) {
    call.count(wish.max)
        .count(wish.enough)
        .count(wish.before)
        .count(wish.bytes);
    let put_tasks = |call: &mut Call, tasks: &[TaskName]| {
        call.count(tasks.len());
        for task in tasks {
            call.text(task.as_str());
        }
    };
    match &*claim.selection {
        Selection::Any { tasks } => {
            call.text("a")
                .number(i64::try_from(claim.turn % TURN_MAX).unwrap_or(0));
            put_tasks(call, tasks);
        }
        Selection::Queues { queues, tasks } => {
            call.text("q").count(queues.len());
            for queue in queues {
                call.text(queue.as_str());
            }
            put_tasks(call, tasks);
        }
        Selection::Tasks(queues) => {
            let each = |(queue, tasks): &(QueueName, Vec<TaskName>)| {
                let queue = queue.clone();
                tasks
                    .clone()
                    .into_iter()
                    .map(move |task| (queue.clone(), task))
            };
            let pairs: Vec<_> = queues.iter().flat_map(each).collect();
            call.text("t").count(pairs.len());
            for (queue, task) in pairs {
                call.text(queue.as_str()).text(task.as_str());
            }
        }
    }
}

impl Shared {
    pub(super) async fn claim(&self, claim: Claim) -> Result<Vec<Message>> {
        let mut messages = Vec::new();
        self.claim_on(&claim, &mut messages).await?;
        Ok(messages)
    }

    /// Claims until enough was handed out, or a call has left nothing.
    pub(super) async fn claim_on(&self, claim: &Claim, messages: &mut Vec<Message>) -> Result<()> {
        loop {
            let bytes = messages.iter().map(|message| message.payload.len()).sum();
            let wish = Wish::of(claim, messages.len(), bytes);
            if (wish.max == 0 || wish.bytes == 0) && !messages.is_empty() {
                return Ok(());
            }
            let mut call = self.call_of(&CLAIM);
            call.bytes(claim.incarnation.as_bytes())
                .number(millis(self.retention().dead));
            put_wish(&mut call, claim, &wish);
            let answer = match self.call(call).await {
                // What was handed out is worked on, whatever became of the rest.
                Err(error) if !messages.is_empty() && !error.is_transient() => return Ok(()),
                answer => answer?,
            };
            if matches!(answer, Value::Nil) {
                if messages.is_empty() {
                    return Err(lease_lost(claim.incarnation));
                }
                return Ok(());
            }
            let handed_out = self.read_claimed(&CLAIM, answer)?;
            let got = messages.len() + handed_out.len();
            let goes_on = wish.leaves_more(claim, &handed_out, got);
            messages.extend(handed_out);
            if !goes_on {
                return Ok(());
            }
        }
    }

    pub(super) fn read_claimed(&self, script: &Script, answer: Value) -> Result<Vec<Message>> {
        let values = self.read(script, answer, reply::array)?;
        let unexpected = |_: Unexpected| self.translate.answer(script.name);
        let mut messages = Vec::with_capacity(values.len() / 2);
        let mut names = Names::default();
        let mut values = values.into_iter();
        while let Some(element) = values.next() {
            let element = reply::bytes(element).map_err(unexpected)?;
            let mut next = || reply::maybe_bytes(values.next().unwrap_or_default());
            let (flag, mut rest) = read_flag(element).map_err(unexpected)?;
            let body = next().map_err(unexpected)?.unwrap_or_default();
            if flag == pack::FLAG {
                pack::handed_out(rest, body, &mut names, &mut messages)
                    .map_err(|_| self.translate.answer(script.name))?;
                continue;
            }
            let id = rest.id().map(MessageId::from_bytes);
            let id = id.map_err(|_| self.translate.answer(script.name))?;
            let (more, saved) = if flag == 0 {
                (None, None)
            } else {
                (next().map_err(unexpected)?, next().map_err(unexpected)?)
            };
            let message = record::handed_out(id, body, more, saved, &mut names);
            messages.push(message.map_err(|what| self.translate.damaged(id, what))?);
        }
        Ok(messages)
    }
}

/// The flag of an element, and what is behind it.
fn read_flag(element: bytes::Bytes) -> Result<(u8, Reader), Unexpected> {
    let mut reader = Reader::new(element);
    let rank_and_place = reader.take(10);
    rank_and_place.map_err(|_| Unexpected)?;
    let flag = reader.u8().map_err(|_| Unexpected)?;
    Ok((flag, reader))
}
