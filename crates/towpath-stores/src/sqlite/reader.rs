//! The reader: a thread with a connection of its own, so that whoever looks waits for nobody who writes.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;
use towpath_core::store::{QueueRecord, StateCounts};
use towpath_core::{Clock, Error, Result};

use super::connection::{self, Opened, Role};
use super::counts::Kept;
use super::error::Fallible;
use super::flocks::Locks;
use super::footing::Footing;
use super::lines::Lines;
use super::prune::Surplus;
use super::store::Shared;

/// What a verb that looks works with: one snapshot of the store.
pub(super) struct Look<'a> {
    pub(super) db: &'a Connection,
    pub(super) ns: i64,
    pub(super) lines: &'a mut Lines,
    pub(super) clock: &'a dyn Clock,
    pub(super) locks: &'a Locks,
    /// Which state of the file this is: another number once anybody else has written.
    pub(super) version: i64,
    paused: Option<HashSet<String>>,
}

impl Look<'_> {
    pub(super) fn paused(&mut self) -> Fallible<HashSet<String>> {
        if let Some(paused) = &self.paused {
            return Ok(paused.clone());
        }
        let sql = "SELECT queue FROM pause WHERE ns = ?1";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([self.ns], |row| row.get(0))?;
        let paused = rows.collect::<rusqlite::Result<HashSet<String>>>()?;
        self.paused = Some(paused.clone());
        Ok(paused)
    }

    pub(super) fn is_paused(&mut self, queue: &str) -> Fallible<bool> {
        match &self.paused {
            Some(paused) => Ok(paused.contains(queue)),
            None => Ok(self.paused()?.contains(queue)),
        }
    }
}

/// What is kept from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) counts: Kept<StateCounts>,
    pub(super) queues: Kept<Vec<QueueRecord>>,
    pub(super) surplus: Surplus,
}

/// A look that somebody waits for.
pub(super) trait LookJob: Send {
    fn run(self: Box<Self>, look: &mut Look<'_>, memory: &mut Memory, end: End<'_>);
    fn refuse(self: Box<Self>, error: Error);
}

/// How the fault of a look is said.
pub(super) struct End<'a>(&'a Shared);

struct Asked<F, T> {
    run: F,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> LookJob for Asked<F, T>
where
    F: FnOnce(&mut Look<'_>, &mut Memory) -> Fallible<T> + Send,
    T: Send,
{
    fn run(self: Box<Self>, look: &mut Look<'_>, memory: &mut Memory, end: End<'_>) {
        let answer = (self.run)(look, memory).map_err(|fault| end.0.error(fault));
        let _caller_gone = self.reply.send(answer);
    }

    fn refuse(self: Box<Self>, error: Error) {
        let _caller_gone = self.reply.send(Err(error));
    }
}

/// A look, and where its answer will come.
pub(super) fn look<F, T>(run: F) -> (Box<dyn LookJob>, oneshot::Receiver<Result<T>>)
where
    F: FnOnce(&mut Look<'_>, &mut Memory) -> Fallible<T> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Asked { run, reply }), answer)
}

/// The thread: does what is brought, one look after the other, until the store is closed.
pub(super) fn serve(shared: &Arc<Shared>) {
    let mut opened: Option<Opened> = None;
    let mut footing = Footing::default();
    let mut lines = Lines::default();
    let mut memory = Memory::default();
    while let Some(job) = shared.looks.first() {
        if footing.is_replaced(&shared.location.file)
            && let Some(astray) = opened.take()
        {
            connection::close(astray, &shared.location);
            (lines, memory) = (Lines::default(), Memory::default());
            footing = Footing::default();
        }
        if opened.is_none() {
            match connection::open(&shared.url, &shared.location, Role::Reader) {
                Ok(fresh) => opened = Some(fresh),
                Err(error) => {
                    job.refuse(error);
                    continue;
                }
            }
        }
        let at_work = opened.as_ref().expect("it was just opened");
        one_look(shared, at_work, &mut footing, &mut lines, &mut memory, job);
    }
    if let Some(opened) = opened {
        connection::close(opened, &shared.location);
    }
}

fn one_look(
    shared: &Shared,
    opened: &Opened,
    footing: &mut Footing,
    lines: &mut Lines,
    memory: &mut Memory,
    job: Box<dyn LookJob>,
) {
    let db = &opened.db;
    match begin(db, footing, &shared.location.file) {
        Ok(version) => {
            let mut look = Look {
                db,
                ns: opened.ns,
                lines,
                clock: &*shared.clock,
                locks: &shared.locks,
                version,
                paused: None,
            };
            job.run(&mut look, memory, End(shared));
        }
        Err(fault) => job.refuse(shared.error(fault)),
    }
    // Short, so that it does not keep the log from being reused. Nothing was written, so that an end
    // that fails has nothing to lose.
    if !db.is_autocommit() {
        let _nothing_to_lose = db.execute_batch("COMMIT");
    }
}

/// Begins a snapshot; answers which state of the file it shows.
fn begin(db: &Connection, footing: &mut Footing, file: &Path) -> Fallible<i64> {
    footing.check_place(db, file)?;
    db.prepare_cached("BEGIN")?.execute([])?;
    let version = db
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))?;
    footing.check_schema(db, version)?;
    Ok(version)
}
