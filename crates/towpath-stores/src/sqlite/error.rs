//! What may go wrong inside the store, and the one function that says it in our words.

use std::path::Path;

use rusqlite::{ErrorCode, ffi};
use towpath_core::{Error, Kind};

/// Why a verb, or one item of it, did not happen.
#[derive(Debug)]
pub(super) enum Fault {
    /// We refuse it; nothing was written for it.
    Refused(Error),
    /// The engine failed. What the transaction wrote may be half of it: it is rolled back.
    Engine(rusqlite::Error),
}

pub(super) type Fallible<T> = Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(ErrorCode::TooBig) {
            // Of one row, and no reason not to go on with the others.
            return Fault::damaged("(any)", "has a value that is too large to read or write");
        }
        Fault::Engine(error)
    }
}

impl Fault {
    /// The refusal of a value in the file that no release of ours writes there.
    pub(super) fn damaged(column: &str, what: impl std::fmt::Display) -> Self {
        Fault::Refused(Error::new(
            Kind::Storage,
            format!("the record is damaged: column {column} {what}"),
        ))
    }

    /// The file contradicts itself in a way that the engine has not noticed.
    pub(super) fn corrupt(what: impl std::fmt::Display) -> Self {
        let code = ffi::Error::new(ffi::SQLITE_CORRUPT);
        Fault::Engine(rusqlite::Error::SqliteFailure(code, Some(what.to_string())))
    }

    /// The same refusal, said about `what`; a failure of the engine stays as it is.
    pub(super) fn about(self, what: impl std::fmt::Display) -> Self {
        match self {
            Fault::Refused(error) => Fault::Refused(error.about(what)),
            engine @ Fault::Engine(_) => engine,
        }
    }

    pub(super) fn into_error(self, path: &Path) -> Error {
        match self {
            Fault::Refused(error) => error,
            Fault::Engine(error) => translate(error, path),
        }
    }
}

/// Parts the refusal of one item, which is that item's answer, from a failure of the whole call.
pub(super) fn per_item<T>(outcome: Fallible<T>) -> Fallible<towpath_core::Result<T>> {
    match outcome {
        Ok(answer) => Ok(Ok(answer)),
        Err(Fault::Refused(error)) => Ok(Err(error)),
        Err(engine @ Fault::Engine(_)) => Err(engine),
    }
}

/// Says what the engine said: which file, what is wrong with it, and the way out.
pub(super) fn translate(error: rusqlite::Error, path: &Path) -> Error {
    let file = path.display();
    let (kind, text) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Unavailable,
            format!("{file} is busy: another process holds its lock; try again"),
        ),
        Some(ErrorCode::DiskFull) => (
            Kind::Storage,
            format!("{file} cannot grow: the disk is full; free some space"),
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
            Kind::Storage,
            format!(
                "{file} cannot be written; check the permissions of the file and its directory"
            ),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            Kind::Storage,
            format!(
                "{file} is corrupt ({error}); restore a backup, or save what `sqlite3 {file} .recover` can read"
            ),
        ),
        Some(ErrorCode::NotADatabase) => (
            Kind::Incompatible,
            format!("{file} is not an SQLite database; name another file"),
        ),
        Some(ErrorCode::CannotOpen) => (
            Kind::Storage,
            format!(
                "{file} cannot be opened; check that the directory {} exists and may be written",
                path.parent().unwrap_or(path).display()
            ),
        ),
        Some(ErrorCode::SystemIoFailure) => (
            Kind::Storage,
            format!("{file} cannot be read or written ({error}); check the disk"),
        ),
        Some(ErrorCode::OutOfMemory) => (
            Kind::Unavailable,
            format!("{file}: there is not enough memory"),
        ),
        _ => (Kind::Storage, format!("{file}: {error}")),
    };
    Error::new(kind, text).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_names_the_file_and_says_whether_to_try_again() {
        let check = |code, kind, transient, expected: &str| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = translate(error, Path::new("/x/jobs.db"));
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.is_transient(), transient, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("/x/jobs.db") && text.contains(expected),
                "{text}"
            );
        };
        check(ffi::SQLITE_BUSY, Kind::Unavailable, true, "busy");
        check(ffi::SQLITE_LOCKED, Kind::Unavailable, true, "busy");
        check(ffi::SQLITE_FULL, Kind::Storage, false, "free some space");
        check(ffi::SQLITE_READONLY, Kind::Storage, false, "permissions");
        check(
            ffi::SQLITE_CORRUPT,
            Kind::Storage,
            false,
            "restore a backup",
        );
        check(
            ffi::SQLITE_NOTADB,
            Kind::Incompatible,
            false,
            "not an SQLite database",
        );
        check(
            ffi::SQLITE_CANTOPEN,
            Kind::Storage,
            false,
            "the directory /x exists",
        );
        check(ffi::SQLITE_IOERR, Kind::Storage, false, "check the disk");
    }
}
