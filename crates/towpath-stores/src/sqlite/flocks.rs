//! One locked file for every life of a worker: as long as its process lives, the lock is held, and when
//! the process ends in whatever way, the system lets go of it. Whoever can take the lock knows that the
//! worker is dead, long before its lease runs out.
//!
//! A file may be removed by whoever holds its lock. So after locking one must check that the name still
//! leads to the locked file: it may have been removed, and made anew, between opening and locking.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use towpath_core::{Error, IncarnationId, Kind, Result};

use super::location::Location;

/// The lock files of one store, and those that this handle holds.
#[derive(Debug)]
pub(super) struct Locks {
    location: Location,
    directory: PathBuf,
    /// The locks of the workers that joined through this handle; dropped with it, as is right: nobody
    /// can settle through it any more.
    held: Mutex<HashMap<IncarnationId, File>>,
}

/// The lock of a worker that is dead. Held while it is rescued, so that nobody else takes it for a
/// discovery of theirs.
#[derive(Debug)]
pub(super) struct Proof {
    _lock: File,
}

impl Locks {
    pub(super) fn new(location: Location) -> Self {
        Self {
            directory: location.workers(),
            location,
            held: Mutex::default(),
        }
    }

    /// Takes the lock of a worker that joins. Taking it again is harmless.
    pub(super) fn hold(&self, incarnation: IncarnationId) -> Result<()> {
        let mut held = self.held();
        if held.contains_key(&incarnation) {
            return Ok(());
        }
        let path = self.path(incarnation);
        let lock = self.make(&path).map_err(|error| {
            let text = format!("the lock file {} cannot be made", path.display());
            Error::new(Kind::Storage, text).with_source(error)
        })?;
        held.insert(incarnation, lock);
        Ok(())
    }

    /// Whose locks this handle holds.
    pub(super) fn held_here(&self) -> Vec<IncarnationId> {
        self.held().keys().copied().collect()
    }

    fn make(&self, path: &Path) -> io::Result<File> {
        self.make_directory()?;
        // Only a sweeper that mistakes the fresh file for an abandoned one can make it fail.
        for _ in 0..100 {
            let file = self.options().create(true).open(path)?;
            match file.try_lock() {
                Ok(()) if leads_to(path, &file) => return Ok(file),
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other("somebody else keeps taking the lock"))
    }

    fn make_directory(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            // Who may read the store may enter the directory.
            let mode = self.location.mode();
            builder.mode(mode | (mode & 0o444) >> 2);
        }
        match builder.create(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        // The standard library opens close-on-exec: no child process keeps the lock.
        options.read(true).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(self.location.mode());
        }
        options
    }

    /// The proof that a worker is dead; `None` while it lives, or when nobody can tell.
    pub(super) fn prove_dead(&self, incarnation: IncarnationId) -> Option<Proof> {
        let path = self.path(incarnation);
        let file = self.options().open(&path).ok()?;
        file.try_lock().ok()?;
        leads_to(&path, &file).then_some(Proof { _lock: file })
    }

    /// Removes the file of a worker that is gone.
    pub(super) fn remove(&self, incarnation: IncarnationId) {
        let ours = self.held().remove(&incarnation);
        let path = self.path(incarnation);
        if ours.is_some() || self.prove_dead(incarnation).is_some() {
            // A file that stays is swept away later.
            let _swept_later = fs::remove_file(path);
        }
    }

    /// Removes the files of workers that are gone and of which no lease tells: their process ended
    /// between the file and the lease, or the other way round.
    pub(super) fn sweep(&self, has_lease: impl Fn(IncarnationId) -> bool) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| name.parse::<towpath_core::MessageId>().ok());
            // Both kinds of id are UUIDs, and this is how one is read.
            let Some(id) = id.map(|id| IncarnationId::from_bytes(*id.as_bytes())) else {
                continue;
            };
            let path = self.path(id);
            if let Some(_proof) = self.prove_dead(id)
                && !has_lease(id)
            {
                let _swept_later = fs::remove_file(path);
            }
        }
    }

    /// Lets go of every lock: the handle was closed.
    pub(super) fn let_go(&self) {
        self.held().clear();
    }

    fn path(&self, incarnation: IncarnationId) -> PathBuf {
        self.directory.join(incarnation.to_string())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IncarnationId, File>> {
        // A map of files: no panic can leave it half changed.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a path still leads to this open file.
#[cfg(unix)]
fn leads_to(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

/// Elsewhere an open file cannot be removed, so its name always leads to it.
#[cfg(not(unix))]
fn leads_to(_path: &Path, _file: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locks(directory: &Path) -> Locks {
        Locks::new(Location {
            file: directory.join("jobs.db"),
        })
    }

    #[test]
    fn a_lock_that_was_let_go_proves_its_worker_dead() {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) = (locks(directory.path()), locks(directory.path()));
        let worker = IncarnationId::new();
        assert!(
            theirs.prove_dead(worker).is_none(),
            "no file proves nothing"
        );
        ours.hold(worker).unwrap();
        ours.hold(worker).unwrap();
        assert!(theirs.prove_dead(worker).is_none());
        assert!(ours.prove_dead(worker).is_none(), "not even to ourselves");
        ours.let_go();
        let proof = theirs.prove_dead(worker).expect("nobody holds it");
        assert!(
            ours.prove_dead(worker).is_none(),
            "one discoverer at a time"
        );
        drop(proof);
        theirs.remove(worker);
        assert!(!theirs.path(worker).exists());
    }

    #[test]
    fn a_file_that_was_replaced_proves_nothing_about_its_successor() {
        let directory = tempfile::tempdir().unwrap();
        let ours = locks(directory.path());
        let worker = IncarnationId::new();
        ours.hold(worker).unwrap();
        let path = ours.path(worker);
        let old = ours.held().remove(&worker).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!leads_to(&path, &old));
        ours.hold(worker).unwrap();
        assert!(!leads_to(&path, &old));
        assert!(leads_to(&path, &ours.held()[&worker]));
    }

    #[test]
    fn sweeping_takes_only_what_nobody_holds_and_no_lease_tells_of() {
        let directory = tempfile::tempdir().unwrap();
        let ours = locks(directory.path());
        let [alive, abandoned, leased] = [(); 3].map(|()| IncarnationId::new());
        for worker in [alive, abandoned, leased] {
            ours.hold(worker).unwrap();
        }
        ours.held().retain(|worker, _| *worker == alive);
        let other = ours.directory.join("note.txt");
        fs::write(&other, "not ours").unwrap();
        ours.sweep(|worker| worker == leased);
        assert!(ours.path(alive).exists() && ours.path(leased).exists() && other.exists());
        assert!(!ours.path(abandoned).exists());
    }
}
