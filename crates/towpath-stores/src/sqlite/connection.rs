//! Opening a connection: its settings, and how it waits for the lock of another process.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use towpath_core::url::Durability;
use towpath_core::{Result, StoreUrl};

use super::error::{Fallible, translate};
use super::location::Location;
use super::schema;

/// The largest value, and the largest row, that is read or written: 256 MiB, far beyond the limits for
/// payloads, results and chains of callbacks.
pub(super) const VALUE_BYTES: i32 = 256 * 1024 * 1024;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that writes messages.
    Writer,
    /// Looks only.
    Reader,
    /// Renews leases.
    Keeper,
}

/// A connection to an open store, and the number of the namespace it works in.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) db: Connection,
    pub(super) ns: i64,
}

/// Opens the store's file, creating and migrating it as needed.
///
/// # Errors
///
/// Each names the URL, and the file or directory that is at fault.
pub(super) fn open(url: &StoreUrl, location: &Location, role: Role) -> Result<Opened> {
    open_file(url, location, role).map_err(|error| error.about(url))
}

fn open_file(url: &StoreUrl, location: &Location, role: Role) -> Result<Opened> {
    location.prepare()?;
    // No URI flag: a path is a path, whatever characters are in it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(&location.file, flags)
        .map_err(super::error::Fault::from)
        .and_then(|mut db| {
            // Only ever rebound on the oldest supported `rusqlite`, which takes `&self` here.
            db.busy_handler(Some(match role {
                Role::Keeper => wait_shortly as fn(i32) -> bool,
                Role::Writer | Role::Reader => wait,
            }))?;
            schema::ensure(&mut db)?;
            let ns = schema::namespace(&db, url.namespace())?;
            configure(&db, role, url.durability())?;
            Ok(Opened { db, ns })
        });
    opened.map_err(|fault| fault.into_error(&location.file))
}

fn configure(db: &Connection, role: Role, durability: Durability) -> Fallible<()> {
    // A row that somebody blew up is refused before it is in memory.
    let _former = db.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES);
    keep_plans(db)?;
    // Every cached statement is one of ours; this is more than there are.
    db.set_prepared_statement_cache_capacity(256);
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    // 4,000 pages are 16 MiB: smaller means more checkpoints, larger longer ones. The keeper leaves
    // checkpoints to the writer, but not without end: an idle worker writes nothing else.
    let checkpoint_pages = match role {
        Role::Keeper => 8_000,
        Role::Writer | Role::Reader => 4_000,
    };
    db.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous};
         PRAGMA wal_autocheckpoint = {checkpoint_pages};
         PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;
         PRAGMA query_only = {};",
        role == Role::Reader
    ))?;
    Ok(())
}

/// Has a statement keep the plan that it was prepared with. Else SQLite looks at the values bound to it, for
/// a `LIMIT` above all, and plans anew whenever one is bound: for most of ours that is ten times the cost
/// of running them. Ours have one sensible plan each, and tests hold them to it.
pub(super) fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
}

/// How long a verb waits for the lock. Long enough for the longest transaction and checkpoint of
/// others on a slow disk; after that somebody holds it who does not let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a heartbeat waits: less than the time to the next one.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// How long the log is waited for, with every writer waiting too.
const LITTLE_PATIENCE: Duration = Duration::from_millis(50);

thread_local! {
    /// When this thread's present wait for a lock began.
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

fn wait(round: i32) -> bool {
    wait_up_to(round, PATIENCE)
}

fn wait_shortly(round: i32) -> bool {
    wait_up_to(round, SHORT_PATIENCE)
}

fn wait_a_moment(round: i32) -> bool {
    wait_up_to(round, LITTLE_PATIENCE)
}

/// Does something on the writer's connection that is not worth a long wait.
pub(super) fn with_little_patience<T>(
    db: &mut Connection,
    run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    db.busy_handler(Some(wait_a_moment))?;
    let done = run(db);
    db.busy_handler(Some(wait))?;
    done
}

/// Sleeps briefly, so that processes take turns: SQLite's own handler sleeps up to 100 ms, and whoever
/// sleeps the longest is starved by those who just had the lock.
fn wait_up_to(round: i32, patience: Duration) -> bool {
    if round == 0 {
        WAITING_SINCE.set(Some(Instant::now()));
    }
    let since = WAITING_SINCE.get().unwrap_or_else(Instant::now);
    if since.elapsed() > patience {
        return false;
    }
    let micros = if round < 10 { 20 } else { 100 };
    std::thread::sleep(Duration::from_micros(micros));
    true
}

/// Closes a connection, checkpointing if it was the last.
pub(super) fn close(opened: Opened, location: &Location) {
    if let Err((_, error)) = opened.db.close() {
        let error = translate(error, &location.file);
        tracing::warn!(%error, "closing the store");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_nobody_lets_go_is_waited_for_only_so_long_and_told_as_busy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        let [holder, mut waiter] = [(); 2].map(|()| Connection::open(&path).unwrap());
        waiter
            .busy_handler(Some(|round| wait_up_to(round, Duration::from_millis(20))))
            .unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let begin = || waiter.execute_batch("BEGIN IMMEDIATE; COMMIT");
        let error = translate(begin().unwrap_err(), &path);
        assert!(error.is_transient());
        let text = error.to_string();
        let expected = "x.db is busy: another process holds its lock; try again";
        assert!(text.ends_with(expected), "{text}");
        holder.execute_batch("COMMIT").unwrap();
        begin().expect("the wait is over for good");
    }
}
