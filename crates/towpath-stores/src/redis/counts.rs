//! Counts of states, and queues with their lines.

use redis::Value;
use towpath_core::store::{LineCount, QueueRecord, StateCounts};
use towpath_core::{QueueName, Result, TaskName, Timestamp};

use super::bytes::Reader;
use super::reply::{self, Unexpected};
use super::script::{COUNTS, QUEUES};
use super::store::Shared;

/// Most queues of one call.
const CALL_MAX: usize = 100;
/// Ranks of a millisecond, see `lua/lines.lua`.
const RANKS_PER_MS: i64 = 2048;

impl Shared {
    pub(super) async fn counts(&self) -> Result<StateCounts> {
        let answer = self.call(self.call_of(&COUNTS)).await?;
        self.read(&COUNTS, answer, |answer| {
            let counts = reply::array(answer)?;
            let counts: Vec<u64> = counts
                .iter()
                .map(|count| reply::count(count).map(|count| count as u64))
                .collect::<Result<_, _>>()?;
            let [scheduled, running, succeeded, dead, revoked, all] = counts[..] else {
                return Err(Unexpected);
            };
            let elsewhere = scheduled + running + succeeded + dead;
            Ok(StateCounts {
                scheduled,
                ready: all.saturating_sub(elsewhere),
                running,
                succeeded,
                failed: dead.saturating_sub(revoked),
                revoked,
            })
        })
    }

    pub(super) async fn queues(&self) -> Result<Vec<QueueRecord>> {
        let mut queues: Vec<QueueRecord> = Vec::new();
        loop {
            let mut call = self.call_of(&QUEUES);
            call.text(queues.last().map_or("", |queue| queue.queue.as_str()))
                .count(CALL_MAX);
            let answer = self.call(call).await?;
            let more = self.read(&QUEUES, answer, |answer| {
                let queues = reply::array(answer)?.into_iter().map(read_queue);
                queues.collect::<Result<Vec<_>, _>>()
            })?;
            let count = more.len();
            queues.extend(more);
            if count < CALL_MAX {
                break;
            }
        }
        self.add_paused(&mut queues).await?;
        Ok(queues)
    }

    /// A paused queue is shown even while it is empty: somebody wants to see what is paused.
    async fn add_paused(&self, queues: &mut Vec<QueueRecord>) -> Result<()> {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(format!("{}u", self.prefix()));
        let answer = self.command(command).await?;
        let paused = self.read(&QUEUES, answer, |answer| {
            let names = match answer {
                Value::Set(names) => names,
                answer => reply::array(answer)?,
            };
            let names = names.into_iter().map(queue_name);
            names.collect::<Result<Vec<_>, _>>()
        })?;
        for queue in paused {
            if !queues.iter().any(|known| known.queue == queue) {
                queues.push(QueueRecord {
                    queue,
                    paused: true,
                    lines: Vec::new(),
                });
            }
        }
        queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(())
    }
}

fn queue_name(value: Value) -> Result<QueueName, Unexpected> {
    let name = reply::bytes(value)?;
    let name = std::str::from_utf8(&name).map_err(|_| Unexpected)?;
    QueueName::new(name).map_err(|_| Unexpected)
}

fn read_queue(value: Value) -> Result<QueueRecord, Unexpected> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().ok_or(Unexpected);
    let (queue, paused) = (queue_name(next()?)?, reply::yes(&next()?));
    let lines = reply::array(next()?)?;
    let lines = lines.chunks(3).map(read_line);
    let mut lines: Vec<LineCount> = lines.collect::<Result<_, _>>()?;
    lines.sort_by(|a, b| a.task.cmp(&b.task));
    Ok(QueueRecord {
        queue,
        paused,
        lines,
    })
}

fn read_line(values: &[Value]) -> Result<LineCount, Unexpected> {
    let [task, ready, head] = values else {
        return Err(Unexpected);
    };
    let task = reply::bytes(task.clone())?;
    let task = std::str::from_utf8(&task).map_err(|_| Unexpected)?;
    let head = reply::maybe_bytes(head.clone())?;
    let rank = head.map(|head| Reader::new(head).i64());
    let rank = rank.transpose().map_err(|_| Unexpected)?;
    Ok(LineCount {
        task: TaskName::new(task).map_err(|_| Unexpected)?,
        ready: reply::count(ready)? as u64,
        head_ready_at: rank.map(|rank| Timestamp::from_millis(rank / RANKS_PER_MS)),
    })
}
