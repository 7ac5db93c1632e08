//! The lines of ready messages, one per (queue, task), and the merge of several by their heads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Bound;

use towpath_core::{QueueName, TaskName, Timestamp};

use super::row::Seq;

/// A message's place in its line. The order of the fields is the order of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) priority: u32,
    pub(super) ready_at: Timestamp,
    pub(super) seq: Seq,
}

/// Names a line for as long as it is not empty, in a cursor too. Never used twice.
pub(super) type LineId = i64;

/// The ready messages of one task in one queue; never empty.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) task: TaskName,
    pub(super) ranks: BTreeSet<Rank>,
}

/// All lines that are not empty.
#[derive(Debug, Default)]
pub(super) struct Lines {
    names: BTreeMap<QueueName, BTreeMap<TaskName, LineId>>,
    lines: BTreeMap<LineId, Line>,
    last_id: LineId,
}

impl Lines {
    pub(super) fn insert(&mut self, queue: &QueueName, task: &TaskName, rank: Rank) {
        let id = match self.id(queue, task) {
            Some(id) => id,
            None => self.open(queue.clone(), task.clone()),
        };
        let line = self.lines.get_mut(&id).expect("a named line exists");
        line.ranks.insert(rank);
    }

    fn open(&mut self, queue: QueueName, task: TaskName) -> LineId {
        self.last_id += 1;
        let tasks = self.names.entry(queue).or_default();
        tasks.insert(task.clone(), self.last_id);
        let ranks = BTreeSet::new();
        self.lines.insert(self.last_id, Line { task, ranks });
        self.last_id
    }

    /// Takes a message out of its line, and the line away with its last one. Answers whether it
    /// stood there.
    pub(super) fn remove(&mut self, queue: &QueueName, task: &TaskName, rank: &Rank) -> bool {
        let Some(id) = self.id(queue, task) else {
            return false;
        };
        let line = self.lines.get_mut(&id).expect("a named line exists");
        let stood = line.ranks.remove(rank);
        if line.ranks.is_empty() {
            self.close(id, queue, task);
        }
        stood
    }

    fn close(&mut self, id: LineId, queue: &QueueName, task: &TaskName) {
        self.lines.remove(&id);
        let tasks = self.names.get_mut(queue).expect("the line has a name");
        tasks.remove(task);
        if tasks.is_empty() {
            self.names.remove(queue);
        }
    }

    fn id(&self, queue: &QueueName, task: &TaskName) -> Option<LineId> {
        self.names.get(queue)?.get(task).copied()
    }

    pub(super) fn holds(&self, queue: &QueueName, task: &TaskName, rank: &Rank) -> bool {
        self.id(queue, task)
            .is_some_and(|id| self.lines[&id].ranks.contains(rank))
    }

    /// The queues that have lines, by name.
    pub(super) fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.names.keys()
    }

    /// The lines of one queue, by task.
    pub(super) fn of_queue(&self, queue: &QueueName) -> impl Iterator<Item = &Line> {
        let ids = self.names.get(queue).into_iter().flat_map(BTreeMap::values);
        ids.map(|id| &self.lines[id])
    }

    /// The lines from `first` on, in the order in which they were opened.
    pub(super) fn from(&self, first: LineId) -> impl Iterator<Item = (LineId, &Line)> {
        self.lines.range(first..).map(|(id, line)| (*id, line))
    }
}

/// Some lines of one queue, read as one: always the best of their heads next.
///
/// It looks at a line again only when its head was taken, so a claim costs what it takes and one look
/// at each line asked for, however many messages and other lines there are.
pub(super) struct Merge {
    heads: BinaryHeap<Reverse<(Rank, LineId)>>,
}

impl Merge {
    pub(super) fn new(lines: &Lines, queue: &QueueName, tasks: &[TaskName]) -> Self {
        // A set, because a task named twice is still one line.
        let ids: BTreeSet<LineId> = tasks
            .iter()
            .filter_map(|task| lines.id(queue, task))
            .collect();
        let head = |id: LineId| Some(Reverse((*lines.lines[&id].ranks.first()?, id)));
        Self {
            heads: ids.into_iter().filter_map(head).collect(),
        }
    }

    /// The message that is next.
    pub(super) fn peek(&self) -> Option<Seq> {
        let Reverse((rank, _)) = self.heads.peek()?;
        Some(rank.seq)
    }

    /// Goes on to the next message, after the one that was next has left its line or is to be skipped.
    pub(super) fn advance(&mut self, lines: &Lines) {
        let Some(Reverse((rank, id))) = self.heads.pop() else {
            return;
        };
        let rest = lines.lines.get(&id).and_then(|line| {
            let after = (Bound::Excluded(rank), Bound::Unbounded);
            line.ranks.range(after).next()
        });
        if let Some(next) = rest {
            self.heads.push(Reverse((*next, id)));
        }
    }
}
