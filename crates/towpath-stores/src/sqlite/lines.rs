//! The lines' names and numbers, kept in memory: a line is looked up by name once, not once a message.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};
use towpath_core::{QueueName, TaskName};

use super::columns::Columns;
use super::error::{Fallible, Fault};

/// How many lines are kept in memory before it is emptied. Their names are at most 50 MB then.
const LINES_MAX: usize = 100_000;

/// The name of a line, and the namespace it is in.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) ns: i64,
    pub(super) queue: QueueName,
    pub(super) task: TaskName,
}

/// The lines that were met so far. A line's row never changes its name and is never deleted, so only a
/// rollback can make this wrong; then it is [forgotten](Lines::forget).
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Of our own namespace alone.
    numbers: HashMap<QueueName, HashMap<TaskName, i64>>,
    /// Of all: upkeep also serves the messages of others.
    names: HashMap<i64, Line>,
}

impl Lines {
    pub(super) fn forget(&mut self) {
        self.numbers.clear();
        self.names.clear();
    }

    /// The number of a line, if there is one of this name.
    pub(super) fn number(
        &mut self,
        db: &Connection,
        ns: i64,
        queue: &QueueName,
        task: &TaskName,
    ) -> Fallible<Option<i64>> {
        if let Some(l) = self.numbers.get(queue).and_then(|tasks| tasks.get(task)) {
            return Ok(Some(*l));
        }
        let sql = "SELECT l FROM line WHERE ns = ?1 AND queue = ?2 AND task = ?3";
        let found: Option<i64> = db
            .prepare_cached(sql)?
            .query_row((ns, queue.as_str(), task.as_str()), |row| row.get(0))
            .optional()?;
        if let Some(l) = found {
            self.learn_number(l, ns, queue, task);
        }
        Ok(found)
    }

    /// Makes a line of a name that there is none of.
    pub(super) fn add(
        &mut self,
        db: &Connection,
        ns: i64,
        queue: &QueueName,
        task: &TaskName,
    ) -> Fallible<i64> {
        let sql = "INSERT INTO line (ns, queue, task) VALUES (?1, ?2, ?3)";
        db.prepare_cached(sql)?
            .execute((ns, queue.as_str(), task.as_str()))?;
        let l = db.last_insert_rowid();
        self.learn_number(l, ns, queue, task);
        Ok(l)
    }

    fn learn_number(&mut self, l: i64, ns: i64, queue: &QueueName, task: &TaskName) {
        let (queue, task) = (queue.clone(), task.clone());
        let line = Line { ns, queue, task };
        self.learn(l, line.clone());
        let tasks = self.numbers.entry(line.queue).or_default();
        tasks.insert(line.task, l);
    }

    /// A line of the namespace `ns`; `None` for one of another, or none at all.
    pub(super) fn name(&mut self, db: &Connection, ns: i64, l: i64) -> Fallible<Option<&Line>> {
        Ok(self.find(db, l)?.filter(|line| line.ns == ns))
    }

    /// A line of whatever namespace.
    pub(super) fn find(&mut self, db: &Connection, l: i64) -> Fallible<Option<&Line>> {
        if !self.names.contains_key(&l) {
            let mut statement =
                db.prepare_cached("SELECT ns, queue, task FROM line WHERE l = ?1")?;
            let mut rows = statement.query([l])?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let line = read(&Columns(row))?;
            self.learn(l, line);
        }
        Ok(self.names.get(&l))
    }

    fn learn(&mut self, l: i64, line: Line) {
        if self.names.len() >= LINES_MAX {
            self.forget();
        }
        self.names.insert(l, line);
    }
}

fn read(columns: &Columns<'_>) -> Fallible<Line> {
    let queue = QueueName::new(columns.text(1, "line.queue")?)
        .map_err(|error| Fault::damaged("line.queue", error))?;
    let task = TaskName::new(columns.text(2, "line.task")?)
        .map_err(|error| Fault::damaged("line.task", error))?;
    Ok(Line {
        ns: columns.int(0, "line.ns")?,
        queue,
        task,
    })
}
