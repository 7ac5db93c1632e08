//! The lines' names and numbers, kept in memory: a line is looked up by name once, not once a message.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use towpath_core::{Draft, QueueName, TaskName};

use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::statement::statement;
use super::tx::Tx;

/// How many lines are kept in memory before it is emptied. Their names are at most 50 MB then.
const LINES_MAX: usize = 100_000;

/// The name of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Line {
    pub(super) queue: QueueName,
    pub(super) task: TaskName,
}

impl Line {
    pub(super) fn of(draft: &Draft) -> Self {
        Self {
            queue: draft.queue.clone(),
            task: draft.task.clone(),
        }
    }
}

/// The lines that were met so far. A line's row never changes its name and is never deleted.
#[derive(Debug, Default)]
pub(super) struct Lines(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    numbers: HashMap<Line, i32>,
    names: HashMap<i32, Line>,
}

impl Lines {
    fn number(&self, line: &Line) -> Option<i32> {
        self.0.borrow().numbers.get(line).copied()
    }

    fn learn(&self, l: i32, line: Line) {
        let mut known = self.0.borrow_mut();
        if known.names.len() >= LINES_MAX {
            *known = Known::default();
        }
        known.names.insert(l, line.clone());
        known.numbers.insert(line, l);
    }

    /// Forgets all: another server may answer, or one that was restored from a backup.
    pub(super) fn forget(&self) {
        *self.0.borrow_mut() = Known::default();
    }

    /// The name of a line that was [met](Tx::meet_lines).
    pub(super) fn name(&self, l: i32) -> Fallible<Line> {
        let known = self.0.borrow().names.get(&l).cloned();
        known.ok_or_else(|| Fault::damaged("line", format_args!("is {l}, which there is not")))
    }
}

impl Tx<'_> {
    /// The numbers of the lines of these drafts, in their order. Lines that there are not yet are made, each
    /// for itself and for good: not in the transaction of the verb, so that nobody waits for it.
    pub(super) async fn lines_of(&self, drafts: &[Draft]) -> Fallible<Vec<i32>> {
        let unknown: BTreeSet<Line> = drafts
            .iter()
            .map(Line::of)
            .filter(|line| self.shop.lines.number(line).is_none())
            .collect();
        if !unknown.is_empty() {
            let queues: Vec<&str> = unknown.iter().map(|line| line.queue.as_str()).collect();
            let tasks: Vec<&str> = unknown.iter().map(|line| line.task.as_str()).collect();
            self.query(statement!("intern"), &[&queues, &tasks]).await?;
            let rows = self
                .query(statement!("lines_by_name"), &[&queues, &tasks])
                .await?;
            for row in &rows {
                self.learn_line(&Columns(row))?;
            }
        }
        drafts
            .iter()
            .map(|draft| {
                let line = Line::of(draft);
                let missing = || Fault::damaged("line", format_args!("of {line:?} cannot be kept"));
                self.shop.lines.number(&line).ok_or_else(missing)
            })
            .collect()
    }

    /// Learns the names of these lines, as far as there are any.
    pub(super) async fn meet_lines(&self, lines: impl Iterator<Item = i32>) -> Fallible<()> {
        let unknown: Vec<i32> = {
            let known = self.shop.lines.0.borrow();
            let unknown = lines.filter(|l| !known.names.contains_key(l));
            unknown.collect::<BTreeSet<i32>>().into_iter().collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let rows = self
            .query(statement!("lines_by_number"), &[&unknown])
            .await?;
        for row in &rows {
            match self.learn_line(&Columns(row)) {
                Err(Fault::Refused(error)) => tracing::error!(%error, "a line cannot be read"),
                learned => learned?,
            }
        }
        Ok(())
    }

    fn learn_line(&self, columns: &Columns<'_>) -> Fallible<()> {
        let queue = QueueName::new(columns.text("queue")?)
            .map_err(|error| Fault::damaged("line.queue", error))?;
        let task = TaskName::new(columns.text("task")?)
            .map_err(|error| Fault::damaged("line.task", error))?;
        self.shop
            .lines
            .learn(columns.int("l")?, Line { queue, task });
        Ok(())
    }
}
