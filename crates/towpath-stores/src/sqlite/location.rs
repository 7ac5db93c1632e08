//! Where a store lives: its file, the files beside it, and who may read them.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use towpath_core::{Error, Kind, Result, StoreUrl};

use super::mount;

/// The file of a store and the names that are derived from it.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) file: PathBuf,
}

impl Location {
    /// The location that a URL names. It is absolute, so that the connections that are opened later lead
    /// to the same file wherever the process has gone meanwhile, and so that no name has a meaning of
    /// its own to SQLite (`:memory:` has).
    pub(super) fn of(url: &StoreUrl) -> Self {
        let path = PathBuf::from(url.path());
        Self {
            file: std::path::absolute(&path).unwrap_or(path),
        }
    }

    pub(super) fn doorbell(&self) -> PathBuf {
        self.beside(".doorbell")
    }

    pub(super) fn workers(&self) -> PathBuf {
        self.beside(".workers")
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.beside("-wal")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    pub(super) fn directory(&self) -> &Path {
        match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Refuses what can never work, and makes a file that only its owner may read if there is none.
    pub(super) fn prepare(&self) -> Result<()> {
        let directory = self.directory();
        let (file, shown) = (self.file.display(), directory.display());
        match fs::metadata(directory) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(Error::new(
                    Kind::Storage,
                    format!("{file} cannot be opened: {shown} is not a directory"),
                ));
            }
            Err(error) => {
                let text = match error.kind() {
                    io::ErrorKind::NotFound => {
                        format!(
                            "{file} cannot be opened: the directory {shown} does not exist; create it"
                        )
                    }
                    _ => format!("{file} cannot be opened: the directory {shown} cannot be read"),
                };
                return Err(Error::new(Kind::Storage, text).with_source(error));
            }
        }
        if self.file.is_dir() {
            let text = format!("{file} is a directory; name a file in it");
            return Err(Error::new(Kind::Storage, text));
        }
        mount::refuse_network(directory)?;
        if !self.file.exists() {
            self.create();
        }
        Ok(())
    }

    /// Puts an empty file there, for its owner alone, unless somebody else is faster.
    ///
    /// It is made under another name and linked into place: a file that is opened and closed under the
    /// name of a database takes away the locks that SQLite holds on it in this process. Where that
    /// does not work, SQLite makes the file itself, with the permissions that are usual for the user.
    fn create(&self) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let fresh = self.beside(&format!(".new-{}-{number}", std::process::id()));
        if private_file(&fresh).is_ok() {
            let _already_there_or_unsupported = fs::hard_link(&fresh, &self.file);
            let _nobody_else_knows_it = fs::remove_file(&fresh);
        }
    }

    /// The permissions for files beside the store: whoever may read and write it may do so with them.
    #[cfg(unix)]
    pub(super) fn mode(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(&self.file).map_or(0o600, |found| found.permissions().mode() & 0o666)
    }
}

fn private_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop)
}
