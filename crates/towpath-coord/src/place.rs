//! A directory that the programs concerned share, and what they are told of the world.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use towpath_core::{Clock, Error, Kind, Result, SystemClock};

use crate::fs::{Disk, Fs, Lock, Open};
use crate::liveness::{AmongMachines, Processes, System};

/// What the protocols work with: the layer over files, the clocks, the processes.
///
/// Programs take [`World::new`]; tests hand in their own of each.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) processes: Arc<dyn Processes>,
}

impl World {
    /// This machine.
    pub fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let processes = Arc::new(System::new(&*clock));
        Self {
            fs: Arc::new(Disk),
            clock,
            processes,
        }
    }

    /// The same with another layer over files.
    #[must_use]
    pub fn with_fs(mut self, fs: Arc<dyn Fs>) -> Self {
        self.fs = fs;
        self
    }

    /// The same with other clocks.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same with other processes.
    #[must_use]
    pub fn with_processes(mut self, processes: Arc<dyn Processes>) -> Self {
        self.processes = processes;
        self
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a directory may be on a file system that other machines write to as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// It is refused. One of which it is not known whose it is, such as one by FUSE, is taken after a test that two handles
    /// of one file exclude each other there.
    #[default]
    Refuse,
    /// It is taken, after that test. What other machines see of
    /// locks and times is then between them and their file system.
    Allow,
}

/// A directory that was found fit: it is there, its file system belongs to this machine or was allowed, and locks
/// hold on it.
#[derive(Debug, Clone)]
pub struct Place {
    pub(crate) world: World,
    directory: PathBuf,
}

impl Place {
    /// Looks at a directory; it is never made.
    ///
    /// # Errors
    ///
    /// [`Kind::NotFound`] when there is no such directory, [`Kind::Unsupported`] when it is on a network file system that
    /// was not allowed or locks do not hold there, [`Kind::Storage`] when it cannot be read.
    pub fn open(world: World, directory: impl Into<PathBuf>, network: Network) -> Result<Self> {
        let directory = directory.into();
        let cannot = |error| storage(&directory, "look at", error);
        let over = world.fs.network(&directory).map_err(cannot)?;
        if let Some(over) = over.as_ref().filter(|_| network == Network::Refuse) {
            let text = format!(
                "{} is on {over}, where locks may not hold between machines; take a directory on a disk of this \
                 machine, or allow network file systems with `Network::Allow`",
                directory.display()
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        let mut world = world;
        if over.is_some() {
            // A host of our name with another start of the machine may be another machine that lives.
            world.processes = Arc::new(AmongMachines(world.processes));
        }
        let place = Self { world, directory };
        if network == Network::Allow || !place.is_local()? {
            place.check_locks()?;
        }
        Ok(place)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    fn is_local(&self) -> Result<bool> {
        let found = self.world.fs.is_local(&self.directory);
        found.map_err(|error| storage(&self.directory, "look at", error))
    }

    /// Whether two handles of one file exclude each other: on some mounts they do not.
    fn check_locks(&self) -> Result<()> {
        let path = self.path(format!(".towpath-{:016x}.tmp", fastrand::u64(..)));
        let fs = &self.world.fs;
        let hold = || -> std::io::Result<bool> {
            let (one, other) = (
                fs.open(&path, Open::CreateNew)?,
                fs.open(&path, Open::Write)?,
            );
            Ok(one.try_lock(Lock::Exclusive)? && !other.try_lock(Lock::Exclusive)?)
        };
        let held = hold();
        // Nothing depends on it: a name of its own that nobody reads.
        let _left_behind = fs.remove_file(&path);
        let is_readonly = |error: &std::io::Error| {
            let kinds = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
            kinds.contains(&error.kind())
        };
        match held {
            Ok(true) => Ok(()),
            // Here we can look and lock nothing.
            Err(error) if is_readonly(&error) => Ok(()),
            Err(error) => Err(storage(&path, "test locks by", error)),
            Ok(false) => {
                let text = format!("locks of files do not hold in {}", self.directory.display());
                Err(Error::new(Kind::Unsupported, text))
            }
        }
    }
}

/// What the operating system says of a path, in our terms.
pub(crate) fn storage(path: &Path, what: &str, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock => Kind::Unavailable,
        _ => Kind::Storage,
    };
    Error::new(kind, format!("cannot {what} {}: {error}", path.display())).with_source(error)
}
