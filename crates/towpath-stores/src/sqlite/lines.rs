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

    /// The number of a line, which is made if there is none.
    pub(super) fn number(
        &mut self,
        db: &Connection,
        ns: i64,
        queue: &QueueName,
        task: &TaskName,
    ) -> Fallible<i64> {
        if let Some(l) = self.numbers.get(queue).and_then(|tasks| tasks.get(task)) {
            return Ok(*l);
        }
        let sql = "SELECT l FROM line WHERE ns = ?1 AND queue = ?2 AND task = ?3";
        let found = db
            .prepare_cached(sql)?
            .query_row((ns, queue.as_str(), task.as_str()), |row| row.get(0))
            .optional()?;
        let l = match found {
            Some(l) => l,
            None => {
                let sql = "INSERT INTO line (ns, queue, task) VALUES (?1, ?2, ?3)";
                db.prepare_cached(sql)?
                    .execute((ns, queue.as_str(), task.as_str()))?;
                db.last_insert_rowid()
            }
        };
        let tasks = self.numbers.entry(queue.clone()).or_default();
        tasks.insert(task.clone(), l);
        let (queue, task) = (queue.clone(), task.clone());
        self.learn(l, Line { ns, queue, task });
        Ok(l)
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
