//! What a verb that writes works with: the open transaction, one reading of the clocks, and what is to
//! be done when it ends.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension};
use towpath_core::store::{Retention, Topic};
use towpath_core::{Clock, Error, IncarnationId, Kind, Result, Timestamp};

use super::doorbell::Rings;
use super::error::{Fallible, Fault};
use super::flocks::Locks;
use super::held::HeldHere;
use super::lines::{Line, Lines};
use super::marks::Lingering;
use super::statement::statement;

/// What the writer remembers from one transaction to the next.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) lines: Lines,
    pub(super) held: HeldHere,
    /// The latest stamp that was given. See [`Tx::stamp`].
    last_stamp: Timestamp,
    /// Which state of the file `known` is of: another number once anybody else has written.
    version: i64,
    pub(super) known: Known,
    /// Empty lines that keep their mark.
    pub(super) lingering: Lingering,
}

/// What is known of the file for as long as nobody else writes to it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether the newest stamp of other processes was looked up.
    stamp: bool,
    /// The lines that are marked as live.
    pub(super) live: HashSet<i64>,
    /// The paused queues, once they were looked up.
    paused: Option<HashSet<String>>,
    /// When the earliest scheduled message is due, once that was looked up; never when there is none.
    earliest: Option<i64>,
    /// The workers whose lease holds, with their numbers.
    alive: HashMap<IncarnationId, i64>,
}

impl Session {
    /// Forgets what others may have changed since the last transaction.
    fn begun(&mut self, version: i64) {
        if self.version != version {
            self.version = version;
            self.known = Known::default();
        }
    }

    /// Forgets what a rolled back transaction may have made up.
    pub(super) fn rolled_back(&mut self) {
        self.lines.forget();
        self.held.forget();
        self.known = Known::default();
    }
}

/// An open transaction. Several verbs may share it, one after the other.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) ns: i64,
    pub(super) path: &'a Path,
    pub(super) locks: &'a Locks,
    pub(super) clock: &'a dyn Clock,
    pub(super) session: &'a mut Session,
    pub(super) retention: Retention,
    /// The wall clock, read once a verb: what is due and what has expired.
    pub(super) now: Timestamp,
    /// Whom to wake once it is committed.
    pub(super) rings: Rings,
    /// Workers whose lock files are to be removed once it is committed.
    pub(super) gone: Vec<IncarnationId>,
    /// The lines that may be empty now.
    pub(super) touched: HashSet<i64>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        db: &'a Connection,
        ns: i64,
        path: &'a Path,
        locks: &'a Locks,
        clock: &'a dyn Clock,
        session: &'a mut Session,
        retention: Retention,
    ) -> Self {
        Self {
            db,
            ns,
            path,
            locks,
            clock,
            session,
            retention,
            now: clock.now(),
            rings: Rings::default(),
            gone: Vec::new(),
            touched: HashSet::new(),
        }
    }

    /// Learns whether anybody else has written since the last transaction, and answers which state of the
    /// file this is. To be called first of all.
    pub(super) fn begun(&mut self) -> rusqlite::Result<i64> {
        let version = self
            .db
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        self.session.begun(version);
        Ok(version)
    }

    pub(super) fn read_clock(&mut self) {
        self.now = self.clock.now();
    }

    pub(super) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    /// The time under which something joins its line or the store: the wall clock, but never earlier
    /// than such a time was before, here or in another process. So whoever joins a line stands behind
    /// those of his priority who are there, wherever the wall clock was set to.
    pub(super) fn stamp(&mut self) -> Fallible<Timestamp> {
        if !self.session.known.stamp {
            let newest: Option<i64> = self
                .db
                .prepare_cached("SELECT submitted FROM message ORDER BY n DESC LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?;
            let newest = newest.map_or(self.session.last_stamp, Timestamp::from_millis);
            self.session.last_stamp = self.session.last_stamp.max(newest);
            self.session.known.stamp = true;
        }
        self.session.last_stamp = self.session.last_stamp.max(self.now);
        Ok(self.session.last_stamp)
    }

    /// Does something that takes several statements for one item of a batch: all of it, or nothing and
    /// a refusal of that item alone.
    pub(super) fn whole<T>(
        &mut self,
        run: impl FnOnce(&mut Self) -> Fallible<T>,
    ) -> Fallible<Result<T>> {
        let db = self.db;
        db.prepare_cached("SAVEPOINT item")?.execute([])?;
        let refusal = match run(self) {
            Ok(answer) => {
                db.prepare_cached("RELEASE item")?.execute([])?;
                return Ok(Ok(answer));
            }
            Err(Fault::Refused(error)) => error,
            // A row that is in the way of ours: damage, and of this item only.
            Err(engine @ Fault::Engine(_)) if is_constraint(&engine) => {
                engine.into_error(self.path)
            }
            Err(engine) => return Err(engine),
        };
        db.prepare_cached("ROLLBACK TO item")?.execute([])?;
        db.prepare_cached("RELEASE item")?.execute([])?;
        self.session.rolled_back();
        Ok(Err(refusal))
    }

    // ---- lines ----

    /// The name of a line of this namespace.
    pub(super) fn line(&mut self, l: i64) -> Fallible<Option<&Line>> {
        self.session.lines.name(self.db, self.ns, l)
    }

    /// The namespace of a line: upkeep also serves the messages of others.
    pub(super) fn namespace_of(&mut self, l: i64) -> Fallible<i64> {
        match self.session.lines.find(self.db, l) {
            Ok(line) => Ok(line.map_or(self.ns, |line| line.ns)),
            // A line that cannot be read belongs to nobody, so to whoever meets it.
            Err(Fault::Refused(_)) => Ok(self.ns),
            Err(engine) => Err(engine),
        }
    }

    /// Whether the messages of a queue are held back.
    pub(super) fn is_paused(&mut self, queue: &str) -> Fallible<bool> {
        let known = &mut self.session.known;
        if known.paused.is_none() {
            let sql = "SELECT queue FROM pause WHERE ns = ?1";
            let mut statement = self.db.prepare_cached(sql)?;
            let rows = statement.query_map([self.ns], |row| row.get(0))?;
            known.paused = Some(rows.collect::<rusqlite::Result<_>>()?);
        }
        let paused = known.paused.as_ref().expect("it was just read");
        Ok(!paused.is_empty() && paused.contains(queue))
    }

    pub(super) fn forget_paused(&mut self) {
        self.session.known.paused = None;
    }

    /// Forgets which scheduled message is the earliest, after one was taken away.
    pub(super) fn forget_earliest(&mut self) {
        self.session.known.earliest = None;
    }

    /// Rings for a scheduled message that is due before all others: whoever waits for the earliest has
    /// to wait less long now.
    pub(super) fn scheduled(&mut self, due: Timestamp) -> Fallible<()> {
        let due = due.as_millis();
        let earliest = match self.session.known.earliest {
            Some(earliest) => earliest,
            None => self
                .db
                .prepare_cached("SELECT due FROM delayed ORDER BY due, n LIMIT 1")?
                .query_row([], |row| row.get(0))
                .optional()?
                .unwrap_or(i64::MAX),
        };
        if due < earliest {
            self.rings.add(Topic::Schedule);
        }
        self.session.known.earliest = Some(earliest.min(due));
        Ok(())
    }

    // ---- workers ----

    /// The number of a worker that has a lease and was not found dead.
    pub(super) fn alive(&mut self, incarnation: IncarnationId) -> Fallible<Option<i64>> {
        if let Some(w) = self.session.known.alive.get(&incarnation) {
            return Ok(Some(*w));
        }
        let w = self
            .db
            .prepare_cached(statement!("worker_alive"))?
            .query_row((incarnation.as_bytes(), self.ns), |row| row.get(0))
            .optional()?;
        if let Some(w) = w {
            self.session.known.alive.insert(incarnation, w);
        }
        Ok(w)
    }

    /// Forgets which workers were alive, after one was found dead or left.
    pub(super) fn forget_alive(&mut self) {
        self.session.known.alive.clear();
    }
}

/// The refusal of a worker that never joined, left, or was found dead.
pub(super) fn no_lease(incarnation: IncarnationId) -> Error {
    Error::new(
        Kind::LeaseLost,
        format!("worker {incarnation} has no lease: it left, was found dead or never joined"),
    )
}

fn is_constraint(fault: &Fault) -> bool {
    match fault {
        Fault::Engine(error) => error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation),
        Fault::Refused(_) => false,
    }
}
