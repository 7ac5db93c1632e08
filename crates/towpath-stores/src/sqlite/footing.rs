//! What a connection stands on: that the file it has open is still the store.
//!
//! A directory may be removed, renamed or replaced under a live process, and SQLite goes on writing into
//! a file that no name leads to: what is accepted there is lost. And a newer program may migrate the file
//! while an older one has it open: what the older one then writes would have the wrong shape. So every
//! transaction looks at both before it commits, and every look before it answers. The first costs one
//! `stat` of the path; the second is read only when somebody else has written.

use std::ffi::c_int;
use std::path::Path;

use rusqlite::{Connection, ffi};
use towpath_core::{Error, Kind, Result};

use super::error::Fallible;
use super::schema;

/// What is known of the file under one connection.
#[derive(Debug, Default)]
pub(super) struct Footing {
    /// The state of the file (`PRAGMA data_version`) in which its schema was last found to be ours.
    checked: Option<i64>,
    /// Whether the path did not lead to the open file when we last looked.
    away: bool,
}

impl Footing {
    /// Refuses to go on when the file has another schema than when it was opened. Must be called inside
    /// a transaction, with the `version` of the file's state in it.
    pub(super) fn check_schema(&mut self, db: &Connection, version: i64) -> Fallible<()> {
        if self.checked == Some(version) {
            return Ok(());
        }
        // Kept only once it was found good: what was refused is looked at again next time.
        self.checked = None;
        schema::still_ours(db)?;
        self.checked = Some(version);
        Ok(())
    }

    /// Refuses to go on when `path` no longer leads to the open file.
    pub(super) fn check_place(&mut self, db: &Connection, path: &Path) -> Result<()> {
        self.away = has_moved(db);
        if self.away {
            return Err(moved(path));
        }
        Ok(())
    }

    /// Whether the file was found to be away, and there is one at `path` again: a new one, or the old one
    /// put back. The connection is to be opened anew.
    pub(super) fn is_replaced(&self, path: &Path) -> bool {
        self.away && path.exists()
    }
}

/// Transient, because a directory that was renamed may be put back, and a mount come again.
fn moved(path: &Path) -> Error {
    let text = format!(
        "{} is not the file that was opened: it or its directory was moved, removed or replaced; \
         put it back, or end the programs that use it before you remove it",
        path.display()
    );
    Error::new(Kind::Unavailable, text)
}

/// Whether the path of a connection leads elsewhere or nowhere. SQLite compares the inodes itself: opening
/// and closing the file to compare them would take away the locks that it holds.
fn has_moved(db: &Connection) -> bool {
    let mut moved: c_int = 0;
    // SAFETY: the handle is that of an open connection, used on its own thread and only for this call;
    // the operation writes one `int` through the pointer and keeps neither.
    let answer = unsafe {
        ffi::sqlite3_file_control(
            db.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_HAS_MOVED,
            (&raw mut moved).cast(),
        )
    };
    // Where the system cannot tell, an open file can be neither moved nor removed.
    answer == ffi::SQLITE_OK && moved != 0
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_that_is_away_is_seen_and_so_is_its_return() {
        let directory = tempfile::tempdir().unwrap();
        let [path, aside] = ["x.db", "aside"].map(|name| directory.path().join(name));
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE t (x)").unwrap();
        let mut footing = Footing::default();
        footing.check_place(&db, &path).unwrap();
        fs::rename(&path, &aside).unwrap();
        let error = footing.check_place(&db, &path).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.to_string().starts_with(path.to_str().unwrap()));
        assert!(!footing.is_replaced(&path), "nothing is there");
        fs::rename(&aside, &path).unwrap();
        assert!(footing.is_replaced(&path));
        footing.check_place(&db, &path).unwrap();
        fs::copy(&path, &aside).unwrap();
        fs::rename(&aside, &path).unwrap();
        footing.check_place(&db, &path).unwrap_err();
        assert!(footing.is_replaced(&path), "another file is there");
    }
}
