//! The writer: the one thread of a store that writes messages, and how many verbs share a transaction.
//!
//! ```text
//! BEGIN IMMEDIATE ─ verb ─ verb ─ … ─ COMMIT ─ doorbell ─ answers
//! ```
//!
//! A batch takes what is there and never waits for more: it ends when the mailbox is empty, at 4,096
//! rows or after 10 ms. When the engine fails, the whole batch is rolled back and its verbs are done
//! again one by one, so that the one that cannot be done fails alone and with its own error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;
use towpath_core::url::Durability;
use towpath_core::{Error, Result};

use super::connection::{self, Opened, Role};
use super::doorbell::Rings;
use super::error::{Fallible, Fault};
use super::footing::Footing;
use super::store::Shared;
use super::sync::Syncer;
use super::trim::Trimmer;
use super::tx::{Session, Tx};

/// A batch ends at so many rows, counted by what callers ask for.
const ROWS_MAX: usize = 4_096;
/// A batch ends after that long: others wait for the lock.
const TIME_MAX: Duration = Duration::from_millis(10);

/// A verb that somebody waits for. It may be run again, after a rollback.
pub(super) trait WriteJob: Send {
    /// About how many rows it touches.
    fn rows(&self) -> usize;
    /// Does it; the answer is kept until the commit. Only the engine's failures are told.
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;
    /// Answers, after the commit.
    fn answer(self: Box<Self>);
    /// Answers that it did not happen.
    fn refuse(self: Box<Self>, error: Error);
}

struct Asked<F, T> {
    rows: usize,
    run: F,
    answer: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> WriteJob for Asked<F, T>
where
    F: FnMut(&mut Tx<'_>) -> Fallible<T> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        self.answer = Some(match (self.run)(tx) {
            Ok(answer) => Ok(answer),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Engine(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>) {
        let answer = self.answer.expect("it was run before the commit");
        let _caller_gone = self.reply.send(answer);
    }

    fn refuse(self: Box<Self>, error: Error) {
        let _caller_gone = self.reply.send(Err(error));
    }
}

/// A verb, and where its answer will come. It refuses its call before it writes, or not at all.
pub(super) fn verb<F, T>(rows: usize, run: F) -> (Box<dyn WriteJob>, oneshot::Receiver<Result<T>>)
where
    F: FnMut(&mut Tx<'_>) -> Fallible<T> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = Asked {
        rows,
        run,
        answer: None,
        reply,
    };
    (Box::new(job), answer)
}

/// As [`verb`], for one that may refuse its call when it has written: that is undone then.
pub(super) fn whole_verb<F, T>(
    rows: usize,
    mut run: F,
) -> (Box<dyn WriteJob>, oneshot::Receiver<Result<T>>)
where
    F: FnMut(&mut Tx<'_>) -> Fallible<T> + Send + 'static,
    T: Send + 'static,
{
    verb(rows, move |tx| tx.whole(&mut run)?.map_err(Fault::from))
}

/// The thread: batch after batch, until the store is closed and nothing is left to do.
pub(super) fn serve(shared: &Arc<Shared>) {
    let mut writer: Option<Writer<'_>> = None;
    while let Some(first) = shared.writes.first() {
        let file = &shared.location.file;
        if let Some(astray) = writer.take_if(|writer| writer.footing.is_replaced(file)) {
            astray.close();
        }
        if writer.is_none() {
            match Writer::open(shared) {
                Ok(opened) => writer = Some(opened),
                Err(error) => {
                    first.refuse(error);
                    continue;
                }
            }
        }
        let writer = writer.as_mut().expect("it was just opened");
        writer.batch(first);
    }
    if let Some(writer) = writer {
        writer.close();
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    opened: Opened,
    session: Session,
    footing: Footing,
    /// Syncs the log behind the writer's back; none where every commit does.
    syncer: Option<Syncer>,
    trimmer: Trimmer,
}

/// What is to be done after a commit.
struct Committed {
    rings: Rings,
    gone: Vec<towpath_core::IncarnationId>,
}

/// Why a batch was not committed.
enum Failed {
    /// The lock was not to be had, or nothing can be begun at all.
    Begin(Fault),
    Later(Fault),
}

type Batch = Vec<Box<dyn WriteJob>>;

impl<'a> Writer<'a> {
    fn open(shared: &'a Arc<Shared>) -> Result<Self> {
        let opened = connection::open(&shared.url, &shared.location, Role::Writer)?;
        let syncer = match shared.url.durability() {
            Durability::Normal => Some(Syncer::start(&shared.location)?),
            Durability::Full => None,
        };
        let writer = Self {
            shared,
            opened,
            session: Session::default(),
            footing: Footing::default(),
            syncer,
            trimmer: Trimmer::new(),
        };
        writer.sweep_locks();
        shared.bells.connect();
        Ok(writer)
    }

    fn batch(&mut self, first: Box<dyn WriteJob>) {
        let mut jobs: Batch = vec![first];
        let mut had_bulk = false;
        match self.transact(&mut jobs, true) {
            Ok(committed) => {
                had_bulk = jobs.len() > 1;
                self.finish(jobs, committed);
            }
            Err(Failed::Begin(fault)) => self.refuse(jobs, fault),
            Err(Failed::Later(fault)) if jobs.len() == 1 => self.refuse(jobs, fault),
            Err(Failed::Later(_)) => self.one_by_one(jobs),
        }
        self.shared.writes.batch_ended(had_bulk);
        self.trimmer
            .look(&mut self.opened.db, &self.shared.location);
    }

    /// Runs the jobs, and those that come meanwhile if `more` may, in one transaction.
    fn transact(&mut self, jobs: &mut Batch, more: bool) -> Result<Committed, Failed> {
        let db = &self.opened.db;
        execute(db, "BEGIN IMMEDIATE").map_err(|error| Failed::Begin(error.into()))?;
        let shared = self.shared;
        let mut tx = Tx::new(
            db,
            self.opened.ns,
            &shared.location.file,
            &shared.locks,
            &*shared.clock,
            &mut self.session,
            shared.retention(),
        );
        let next = || more.then(|| shared.writes.another()).flatten();
        let ran = run(&mut tx, &mut self.footing, jobs, next)
            .and_then(|()| execute(db, "COMMIT").map_err(Fault::from));
        let committed = Committed {
            rings: tx.rings,
            gone: std::mem::take(&mut tx.gone),
        };
        match ran {
            Ok(()) => Ok(committed),
            Err(fault) => {
                if !db.is_autocommit() {
                    let _already_rolled_back = db.execute_batch("ROLLBACK");
                }
                self.session.rolled_back();
                Err(Failed::Later(fault))
            }
        }
    }

    /// After a commit: wakes, then answers, then cleans up. Whoever is woken in another process has the
    /// longer way.
    fn finish(&self, jobs: Batch, committed: Committed) {
        self.shared.bells.ring(committed.rings);
        if let Some(syncer) = &self.syncer {
            syncer.written();
        }
        for job in jobs {
            job.answer();
        }
        for incarnation in committed.gone {
            self.shared.locks.remove(incarnation);
        }
    }

    fn one_by_one(&mut self, jobs: Batch) {
        for job in jobs {
            let mut alone: Batch = vec![job];
            match self.transact(&mut alone, false) {
                Ok(committed) => self.finish(alone, committed),
                Err(Failed::Begin(fault) | Failed::Later(fault)) => self.refuse(alone, fault),
            }
        }
    }

    fn refuse(&self, jobs: Batch, fault: Fault) {
        let error = self.shared.error(fault);
        for job in jobs {
            job.refuse(error.clone());
        }
    }

    /// Removes lock files of which no lease tells, as a process leaves that ends between the two.
    fn sweep_locks(&self) {
        let has_lease = |incarnation: towpath_core::IncarnationId| {
            let sql = "SELECT 1 FROM worker JOIN lease ON lease.w = worker.w WHERE worker.id = ?1";
            let found = self
                .opened
                .db
                .prepare_cached(sql)
                .and_then(|mut statement| statement.exists([incarnation.as_bytes()]));
            // Whoever cannot be looked up may well be alive.
            found.unwrap_or(true)
        };
        self.shared.locks.sweep(has_lease);
    }

    fn close(self) {
        // What is in the log goes into the file if nobody is in the way; else the next one does it.
        let checkpoint = self
            .opened
            .db
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            tracing::debug!(%error, "the log stays for the next one who opens the store");
        }
        connection::close(self.opened, &self.shared.location);
        if let Some(syncer) = self.syncer {
            syncer.stop();
        }
    }
}

/// Runs the jobs that are there and those that `next` brings, until the batch is full.
fn run(
    tx: &mut Tx<'_>,
    footing: &mut Footing,
    jobs: &mut Batch,
    mut next: impl FnMut() -> Option<Box<dyn WriteJob>>,
) -> Fallible<()> {
    let version = tx.begun()?;
    footing.check_schema(tx.db, version)?;
    let begun = Instant::now();
    let (mut rows, mut at) = (0, 0);
    loop {
        if at == jobs.len() {
            if rows >= ROWS_MAX || begun.elapsed() >= TIME_MAX {
                break;
            }
            match next() {
                Some(job) => jobs.push(job),
                None => break,
            }
        }
        tx.read_clock();
        rows += jobs[at].rows();
        jobs[at].run(tx)?;
        at += 1;
    }
    tx.unmark_empty_lines()?;
    // Last of all: nothing is to be acknowledged that went into a file which is no longer the store.
    footing.check_place(tx.db, tx.path)?;
    Ok(())
}

fn execute(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}
