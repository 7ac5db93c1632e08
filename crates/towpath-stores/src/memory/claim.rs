//! Claim: hands out ready messages, in the order of the selection.

use std::collections::VecDeque;

use towpath_core::store::{Claim, Selection, Topic};
use towpath_core::{FailReason, IncarnationId, Message, QueueName, Result, TaskName, Verb, limits};

use super::lines::Merge;
use super::row::{Hold, Place, Seq};
use super::step::Step;

/// How many expired messages one claim fails in passing before it asks to be called again.
const EXPIRED_IN_PASSING: usize = limits::UPKEEP_ROWS;

impl Step<'_> {
    pub(super) fn claim<'q>(&mut self, claim: &'q Claim) -> Result<Vec<Message>> {
        self.check_alive(claim.incarnation)?;
        let mut taking = Taking {
            step: self,
            incarnation: claim.incarnation,
            max: claim.max.min(limits::BATCH),
            messages: Vec::new(),
            bytes: 0,
            expired: 0,
        };
        match &*claim.selection {
            Selection::Any { tasks } => taking.in_turn(tasks, claim.turn),
            Selection::Queues { queues, tasks } => {
                taking.in_order(queues.iter().map(|queue| (queue, &tasks[..])));
            }
            Selection::Tasks(queues) => {
                let each = |(queue, tasks): &'q (QueueName, Vec<TaskName>)| {
                    tasks.chunks(1).map(move |task| (queue, task))
                };
                taking.in_order(queues.iter().flat_map(each));
            }
        }
        Ok(taking.messages)
    }
}

/// A claim under way.
struct Taking<'a, 'table> {
    step: &'a mut Step<'table>,
    incarnation: IncarnationId,
    max: usize,
    messages: Vec<Message>,
    /// How many bytes of payloads were handed out.
    bytes: usize,
    /// How many expired ones were met.
    expired: usize,
}

/// What became of the wish for one more message.
enum Pick {
    Taken,
    /// The lines asked are empty.
    Empty,
    /// The claim is over, whatever the lines hold.
    Over,
}

impl Taking<'_, '_> {
    /// Strict preference: a later group only when all before it are empty.
    fn in_order<'q>(&mut self, groups: impl Iterator<Item = (&'q QueueName, &'q [TaskName])>) {
        for (queue, tasks) in groups {
            let mut merge = self.merge(queue, tasks);
            loop {
                match self.pick(&mut merge) {
                    Pick::Taken => {}
                    Pick::Empty => break,
                    Pick::Over => return,
                }
            }
        }
    }

    /// One message of each queue in turn; `turn` says which begins.
    fn in_turn(&mut self, tasks: &[TaskName], turn: u64) {
        let mut queues: Vec<QueueName> = self.step.table.lines.queues().cloned().collect();
        if queues.is_empty() {
            return;
        }
        let first = usize::try_from(turn % queues.len() as u64).expect("smaller than a length");
        queues.rotate_left(first);
        // A queue is first looked at when its turn comes, so a small claim does not look at all.
        let mut unseen = queues.into_iter();
        let mut ring: VecDeque<Merge> = VecDeque::new();
        loop {
            let next = match unseen.next() {
                Some(queue) => Some(self.merge(&queue, tasks)),
                None => ring.pop_front(),
            };
            let Some(mut merge) = next else { return };
            match self.pick(&mut merge) {
                Pick::Taken => ring.push_back(merge),
                Pick::Empty => {}
                Pick::Over => return,
            }
        }
    }

    /// The lines of these tasks as one; none of them while their queue is paused.
    fn merge(&self, queue: &QueueName, tasks: &[TaskName]) -> Merge {
        let paused = self.step.table.paused.contains(queue);
        Merge::new(
            &self.step.table.lines,
            queue,
            if paused { &[] } else { tasks },
        )
    }

    fn pick(&mut self, merge: &mut Merge) -> Pick {
        loop {
            if self.messages.len() >= self.max {
                return Pick::Over;
            }
            let Some(seq) = merge.peek() else {
                return Pick::Empty;
            };
            if self.bytes >= limits::CLAIM_BYTES {
                // There may be more behind: whoever waits for work is to ask again.
                self.step.rings.add(Topic::Work);
                return Pick::Over;
            }
            let row = self.step.table.row(seq);
            if row.is_expired(self.step.now) {
                if self.expired == EXPIRED_IN_PASSING {
                    // There may be more behind: whoever waits for work is to ask again.
                    self.step.rings.add(Topic::Work);
                    return Pick::Over;
                }
                self.expired += 1;
                self.step
                    .shift_to_failed(seq, Verb::Expire, FailReason::Expired);
                merge.advance(&self.step.table.lines);
                continue;
            }
            let alone = row.counters.claimed_alone();
            if alone && !self.messages.is_empty() {
                return Pick::Over;
            }
            self.hand_out(seq, alone);
            merge.advance(&self.step.table.lines);
            return if alone { Pick::Over } else { Pick::Taken };
        }
    }

    /// One that is claimed alone counts as started at once: it may end its worker before any
    /// heartbeat can say so.
    fn hand_out(&mut self, seq: Seq, started: bool) {
        let hold = Hold {
            incarnation: self.incarnation,
            started_at: started.then_some(self.step.now),
        };
        self.step.shift(seq, Verb::Claim, Place::Running(hold));
        let message = self.step.table.row(seq).message();
        self.bytes += message.payload.len();
        self.messages.push(message);
    }
}
