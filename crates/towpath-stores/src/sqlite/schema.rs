//! The schema: creates it, brings an older one up to date, and refuses what is not ours or newer.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use towpath_core::name::Namespace;
use towpath_core::{Error, Kind};

use super::error::Fallible;

/// Marks a database as ours: "TowP". Never changes.
pub(super) const APPLICATION_ID: i64 = 0x546f_7750;

/// The steps from an empty file to the present schema; never edited, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001-first.sql"),
    include_str!("migrations/0002-values-and-locks.sql"),
];

/// Makes the tables in an empty database, for tests of what is below the store.
#[cfg(test)]
pub(super) fn make(db: &Connection) {
    for step in MIGRATIONS {
        db.execute_batch(step).expect("the migrations are sound");
    }
}

/// The version that this build reads and writes.
pub(super) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("a handful of migrations")
}

/// What a database says of itself.
struct Label {
    application: i64,
    version: i64,
    tables: i64,
}

/// Makes sure that the database has the present schema. Any number of processes may do so at once.
pub(super) fn ensure(db: &mut Connection) -> Fallible<()> {
    // All in one snapshot: somebody else may be migrating just now.
    let label = read_label(&db.transaction()?)?;
    if is_current(&label) {
        return Ok(());
    }
    refuse_foreign(&label)?;
    use_wal(db)?;
    migrate(db)
}

fn is_current(label: &Label) -> bool {
    label.application == APPLICATION_ID && label.version == version()
}

fn read_label(tx: &Transaction<'_>) -> Fallible<Label> {
    let number = |sql: &str| tx.query_row(sql, [], |row| row.get(0));
    Ok(Label {
        application: number("PRAGMA application_id")?,
        version: number("PRAGMA user_version")?,
        tables: number("SELECT COUNT(*) FROM sqlite_schema")?,
    })
}

fn refuse_foreign(label: &Label) -> towpath_core::Result<()> {
    let (found, ours) = (label.version, version());
    if label.application == APPLICATION_ID {
        if found <= ours {
            return Ok(());
        }
        return Err(Error::new(
            Kind::Incompatible,
            format!(
                "the store has schema {found}, this program knows up to {ours}; \
                 use the newer program that wrote it"
            ),
        ));
    }
    if (label.application, found, label.tables) == (0, 0, 0) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Incompatible,
        "the file is a database of another program; name another file",
    ))
}

/// Refuses a file that another program has migrated since this one opened it. Inside a transaction.
pub(super) fn still_ours(db: &Connection) -> Fallible<()> {
    let found: i64 = db
        .prepare_cached("PRAGMA user_version")?
        .query_row([], |row| row.get(0))?;
    let ours = version();
    if found == ours {
        return Ok(());
    }
    Err(Error::new(
        Kind::Incompatible,
        format!(
            "the store has schema {found} since another program migrated it, this program knows {ours}; \
             restart it in the version that migrated the store"
        ),
    )
    .into())
}

/// Switches to the write-ahead log. For this step alone SQLite asks no busy handler, so we wait here.
fn use_wal(db: &Connection) -> Fallible<()> {
    let begun = Instant::now();
    loop {
        let mode: rusqlite::Result<String> =
            db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match mode {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                let text = format!(
                    "the file cannot have a write-ahead log (its journal is {mode}); put the store on a local disk"
                );
                return Err(Error::new(Kind::Unsupported, text).into());
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < Duration::from_secs(10) =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn migrate(db: &mut Connection) -> Fallible<()> {
    // An accepted migration is on the disk before anything relies on it.
    db.execute_batch("PRAGMA synchronous = FULL")?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Somebody else may have done it while we waited.
    let label = read_label(&tx)?;
    refuse_foreign(&label)?;
    let done = usize::try_from(label.version).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(step)?;
    }
    if !is_current(&label) {
        tx.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
            version()
        ))?;
    }
    tx.commit()?;
    Ok(())
}

/// The number of a namespace in this file.
pub(super) fn namespace(db: &Connection, name: &Namespace) -> Fallible<i64> {
    let find = || {
        let sql = "SELECT ns FROM namespace WHERE name = ?1";
        db.query_row(sql, [name.as_str()], |row| row.get(0))
            .optional()
    };
    if let Some(ns) = find()? {
        return Ok(ns);
    }
    let sql = "INSERT INTO namespace (name) VALUES (?1) ON CONFLICT DO NOTHING";
    db.execute(sql, [name.as_str()])?;
    find()?.ok_or_else(|| {
        Error::new(
            Kind::Storage,
            format!("the namespace {name:?} cannot be kept"),
        )
        .into()
    })
}
