//! Some lines read as one: always the best of their heads next.
//!
//! A claim costs what it takes and one look at each line asked for, however many messages and other
//! lines there are. What was taken from a line is a stretch from its head, and leaves with one statement.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use rusqlite::Connection;

use super::error::Fallible;
use super::lines::Line;
use super::order;
use super::statement::statement;

/// Where a message stands in its line: priority, since when it waits, number.
pub(super) type Rank = (i64, i64, i64);

#[derive(Debug)]
pub(super) struct Heads {
    lines: Vec<Head>,
    /// The rank of each line's next message, with the line's place in `lines`.
    next: BinaryHeap<Reverse<(Rank, usize)>>,
}

/// One line, read from its head in stretches that grow.
#[derive(Debug)]
struct Head {
    l: i64,
    line: Line,
    /// What was read and not passed, the next first.
    read: VecDeque<Rank>,
    /// The last that was read.
    last: Option<Rank>,
    /// The last that was passed, and so is to leave the line.
    passed: Option<Rank>,
    /// How many to read next time.
    stretch: usize,
    /// Whether the end of the line was read.
    ended: bool,
}

impl Heads {
    /// Looks at the heads of `lines`, for a claim of at most `max` messages.
    pub(super) fn new(db: &Connection, lines: Vec<(i64, Line)>, max: usize) -> Fallible<Self> {
        // A lone line is read at once as far as the claim may go; of many lines each a little.
        let stretch = max / lines.len().max(1) + 1;
        let mut heads = Self {
            lines: Vec::with_capacity(lines.len()),
            next: BinaryHeap::with_capacity(lines.len()),
        };
        for (l, line) in lines {
            heads.lines.push(Head {
                l,
                line,
                read: VecDeque::new(),
                last: None,
                passed: None,
                stretch,
                ended: false,
            });
            heads.advance_line(db, heads.lines.len() - 1)?;
        }
        Ok(heads)
    }

    /// The message that is next, and its line.
    pub(super) fn peek(&self) -> Option<(i64, &Line)> {
        let Reverse(((_, _, n), at)) = self.next.peek()?;
        Some((*n, &self.lines[*at].line))
    }

    /// Goes on to the next message; the one that was next is to leave its line.
    pub(super) fn pass(&mut self, db: &Connection) -> Fallible<()> {
        let Some(Reverse((rank, at))) = self.next.pop() else {
            return Ok(());
        };
        self.lines[at].passed = Some(rank);
        self.advance_line(db, at)
    }

    fn advance_line(&mut self, db: &Connection, at: usize) -> Fallible<()> {
        let head = &mut self.lines[at];
        if head.read.is_empty() && !head.ended {
            head.read_on(db)?;
        }
        if let Some(rank) = head.read.pop_front() {
            self.next.push(Reverse((rank, at)));
        }
        Ok(())
    }

    /// Takes what was passed out of its lines; answers which lines may be empty now, or were all along.
    pub(super) fn take_passed(&mut self, db: &Connection) -> Fallible<Vec<i64>> {
        let mut touched = Vec::new();
        for head in &mut self.lines {
            let passed = head.passed.take();
            if let Some((priority, due, n)) = passed {
                let sql =
                    "DELETE FROM ready WHERE line = ?1 AND (priority, due, n) <= (?2, ?3, ?4)";
                db.prepare_cached(sql)?
                    .execute((head.l, priority, due, n))?;
            }
            let was_empty = head.last.is_none();
            if passed.is_some() || was_empty {
                touched.push(head.l);
            }
        }
        Ok(touched)
    }
}

impl Head {
    fn read_on(&mut self, db: &Connection) -> Fallible<()> {
        let after = self.last.unwrap_or((i64::MIN, i64::MIN, i64::MIN));
        let limit = i64::try_from(self.stretch).unwrap_or(i64::MAX);
        let mut statement = db.prepare_cached(statement!("read_line"))?;
        let rows = statement.query_map((self.l, after.0, after.1, after.2, limit), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        for rank in rows {
            self.read.push_back(rank?);
        }
        order::check("ready", Ordering::Greater, self.last.as_ref(), &self.read)?;
        self.ended = self.read.len() < self.stretch;
        self.last = self.read.back().copied();
        self.stretch *= 2;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;

    fn table(rows: &[(i64, i64, i64, i64)]) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        schema::make(&db);
        for row in rows {
            db.execute("INSERT INTO ready VALUES (?1, ?2, ?3, ?4)", *row)
                .unwrap();
        }
        db
    }

    fn named(numbers: &[i64]) -> Vec<(i64, Line)> {
        let line = Line {
            ns: 1,
            queue: towpath_core::QueueName::default(),
            task: towpath_core::TaskName::new("t").unwrap(),
        };
        numbers.iter().map(|l| (*l, line.clone())).collect()
    }

    fn left(db: &Connection) -> Vec<i64> {
        let mut statement = db.prepare("SELECT n FROM ready ORDER BY n").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn lines_are_merged_by_priority_then_time_then_number() {
        let rows = [
            (1, 0, 10, 1),
            (1, 0, 30, 5),
            (1, 9, 0, 2),
            (2, 0, 20, 3),
            (2, 0, 10, 4),
            (3, 0, 0, 6),
        ];
        let db = table(&rows);
        let mut heads = Heads::new(&db, named(&[1, 2, 7]), 3).unwrap();
        let mut order = Vec::new();
        while let Some((n, _)) = heads.peek() {
            order.push(n);
            heads.pass(&db).unwrap();
        }
        assert_eq!(order, [1, 4, 3, 5, 2]);
        assert_eq!(heads.take_passed(&db).unwrap(), [1, 2, 7]);
        assert_eq!(left(&db), [6], "a line that was not asked for stays");
    }

    #[test]
    fn what_was_not_passed_stays_in_its_line() {
        let rows: Vec<_> = (1..=100).map(|n| (1, n % 3, n, n)).collect();
        let db = table(&rows);
        let mut heads = Heads::new(&db, named(&[1]), 4).unwrap();
        for _ in 0..50 {
            heads.pass(&db).unwrap();
        }
        heads.take_passed(&db).unwrap();
        assert_eq!(left(&db).len(), 50);
        let first: i64 = db
            .query_row(
                "SELECT priority FROM ready ORDER BY priority LIMIT 1",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(first, 1, "33 of priority 0 went first");
    }

    #[test]
    fn reading_a_line_and_taking_from_it_are_searches() {
        let db = table(&[]);
        let plan = |sql: &str| -> String {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = statement.parameter_count();
            let rows = statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| {
                row.get::<_, String>(3)
            });
            rows.unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>()
                .join("; ")
        };
        let read = plan(statement!("read_line"));
        let expected = "SEARCH ready USING PRIMARY KEY (line=? AND (priority,due,n)>(?,?,?))";
        assert_eq!(read, expected);
        let delete =
            plan("DELETE FROM ready WHERE line = ?1 AND (priority, due, n) <= (?2, ?3, ?4)");
        assert_eq!(
            delete,
            "SEARCH ready USING PRIMARY KEY (line=? AND (priority,due,n)<(?,?,?))"
        );
    }
}
