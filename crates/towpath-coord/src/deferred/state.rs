//! The directory of state files, and how a file comes into it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use towpath_core::{Error, Kind, Result};

use crate::fs::{FileId, Handle, Lock, Open, Sort};
use crate::journal::{Durability, Journal};
use crate::place::storage;
use crate::{Place, World};

/// How many names of a directory are looked at.
pub(super) const NAMES_MAX: usize = 65_536;
/// State files begin with it: other names (those of NFS for files that are gone, `.nfs…`) are not ours.
pub(super) const PREFIX: &str = "func";
/// Files that are being made, where there are no unnamed ones.
pub(super) const UNFINISHED: &str = ".tmp";
pub(super) const DEAD: &str = "dead";
pub(super) const QUARANTINE: &str = "quarantine";
const DIRECTORY: &str = "deferred";
const HOLD: &str = ".dir";
const TAKE: &str = ".take";

/// How often something is tried that others may be in the midst of, and how long to wait in between.
const TRIES: usize = 200;
const WAIT: Duration = Duration::from_millis(5);

/// The directory, held against removal.
#[derive(Debug)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) directory: PathBuf,
    /// `.dir` with a shared lock.
    pub(super) hold: Box<dyn Handle>,
}

/// The directory, if it is there and ours alone.
pub(super) fn existing(place: &Place) -> Result<Option<PathBuf>> {
    let directory = place.path(DIRECTORY);
    let found = match place.world.fs.stat(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|error| storage(&directory, "look at", error))?,
    };
    let me = rustix::process::geteuid().as_raw();
    if found.sort != Sort::Directory || found.owner != me || found.mode & 0o077 != 0 {
        let text = format!(
            "{} is not a directory of user {me} with mode 0700; others could have functions run from it",
            directory.display()
        );
        return Err(Error::invalid(text));
    }
    Ok(Some(directory))
}

impl State {
    /// Makes the directory unless it is there.
    pub(super) fn open(place: &Place) -> Result<Self> {
        let world = place.world.clone();
        for _ in 0..TRIES {
            match world.fs.create_dir(&place.path(DIRECTORY)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(storage(&place.path(DIRECTORY), "make", error));
                }
                _ => {}
            }
            // Whoever removes it may be faster than we are.
            let Some(directory) = existing(place)? else {
                continue;
            };
            let hold = hold(&world, &directory);
            if let Some(hold) = hold.map_err(|error| storage(&directory, "hold", error))? {
                return Ok(Self {
                    world,
                    directory,
                    hold,
                });
            }
            pause();
        }
        let text = format!(
            "{} is being removed; try again",
            place.path(DIRECTORY).display()
        );
        Err(Error::new(Kind::Unavailable, text))
    }

    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a state file of our own, locked; its name.
    pub(super) fn enlist(&self, durability: Durability) -> Result<(String, Journal)> {
        let mut error = None;
        for _ in 0..TRIES {
            let name = format!("{PREFIX}{:016x}", fastrand::u64(..));
            let made = match self.enlist_unnamed(&name, durability) {
                // Some file systems have no unnamed files, and some machines no /proc to name them by.
                Err(_) => self.enlist_renamed(&name, durability),
                made => made,
            };
            match made {
                Ok(Some(journal)) => return Ok((name, journal)),
                Ok(None) => {}
                Err(failed) if failed.kind() == Kind::NotFound => error = Some(failed),
                Err(failed) => return Err(failed),
            }
        }
        let busy = || Error::new(Kind::Unavailable, "no name for a state file is free");
        Err(error.unwrap_or_else(busy))
    }

    /// `None` when the name is taken.
    fn enlist_unnamed(&self, name: &str, durability: Durability) -> Result<Option<Journal>> {
        let (fs, path) = (&self.world.fs, self.path(name));
        let cannot = |error| storage(&path, "make", error);
        let file = fs.open_unnamed(&self.directory).map_err(cannot)?;
        lock(&*file).map_err(cannot)?;
        let me = self.world.processes.me();
        let journal = Journal::begin(file, &path, &me, durability)?;
        match fs.name(journal.file(), &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            named => named.map_err(cannot)?,
        }
        self.settle(durability).map_err(cannot)?;
        Ok(Some(journal))
    }

    /// `None` when the name is taken, or a peer took our unfinished file for one that was left behind.
    fn enlist_renamed(&self, name: &str, durability: Durability) -> Result<Option<Journal>> {
        let (fs, path) = (&self.world.fs, self.path(name));
        let unfinished = self.path(format!("{name}{UNFINISHED}"));
        let cannot = |error| storage(&path, "make", error);
        let file = fs.open(&unfinished, Open::CreateNew).map_err(cannot)?;
        if !file.try_lock(Lock::Exclusive).map_err(cannot)? {
            return Ok(None);
        }
        let me = self.world.processes.me();
        let journal = Journal::begin(file, &path, &me, durability)?;
        match fs.rename_new(&unfinished, &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            named => named.map_err(cannot)?,
        }
        self.settle(durability).map_err(cannot)?;
        Ok(Some(journal))
    }

    fn settle(&self, durability: Durability) -> io::Result<()> {
        match durability {
            Durability::Process => Ok(()),
            // The directory may be new itself.
            Durability::Power => self.sync(&self.directory),
        }
    }

    /// Has the names in a directory of ours survive a loss of power, and its own name too.
    pub(super) fn sync(&self, directory: &Path) -> io::Result<()> {
        let fs = &self.world.fs;
        fs.sync_dir(directory)?;
        directory
            .parent()
            .map_or(Ok(()), |above| fs.sync_dir(above))
    }

    /// Whether that name still leads to that file.
    pub(super) fn is_at(&self, file: FileId, path: &Path) -> io::Result<bool> {
        is_at(&self.world, file, path)
    }

    /// The names of all state files, those of others too, and of unfinished ones.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        names(&self.world, &self.directory, PREFIX)
    }

    /// The file under whose lock orphans are taken.
    pub(super) fn turn(&self) -> io::Result<Box<dyn Handle>> {
        self.world.fs.open(&self.path(TAKE), Open::Create)
    }

    /// Locks that file; answers whether it could be, for somebody may not give it back in about a second.
    pub(super) fn await_turn(&self, turn: &dyn Handle) -> io::Result<bool> {
        for _ in 0..TRIES {
            if turn.try_lock(Lock::Exclusive)? {
                return Ok(true);
            }
            pause();
        }
        Ok(false)
    }

    /// Removes the directory if nothing is in it that anybody may want; answers whether it is gone. We must be alone.
    pub(super) fn remove(&self) -> io::Result<bool> {
        let fs = &self.world.fs;
        let gone = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        for inner in [DEAD, QUARANTINE] {
            gone(fs.remove_dir(&self.path(inner)))?;
        }
        gone(fs.remove_file(&self.path(TAKE)))?;
        // Who comes from here on makes a `.dir` of his own, and the directory stays with him.
        gone(fs.remove_file(&self.path(HOLD)))?;
        match fs.remove_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
            removed => gone(removed).map(|()| true),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // To close the file is not enough: a child that another thread has just forked has it too, until it starts
        // its program. Where it fails the process is as good as dead.
        let _unlocked = self.hold.unlock();
    }
}

/// The shared lock of `.dir`; `None` when somebody is removing the directory.
fn hold(world: &World, directory: &Path) -> io::Result<Option<Box<dyn Handle>>> {
    let path = directory.join(HOLD);
    let file = match world.fs.open(&path, Open::Create) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let held = file.try_lock(Lock::Shared)? && is_at(world, file.stat()?.id, &path)?;
    Ok(held.then_some(file))
}

fn is_at(world: &World, file: FileId, path: &Path) -> io::Result<bool> {
    match world.fs.stat(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => Ok(found?.id == file),
    }
}

fn lock(file: &dyn Handle) -> io::Result<()> {
    match file.try_lock(Lock::Exclusive)? {
        true => Ok(()),
        false => Err(io::Error::other("a new file is locked by somebody else")),
    }
}

/// The names in a directory that begin so, in their order.
pub(super) fn names(world: &World, directory: &Path, prefix: &str) -> Result<Vec<String>> {
    let found = world.fs.list(directory, NAMES_MAX);
    let found = found.map_err(|error| storage(directory, "list", error))?;
    // A name that is not text is not one of ours.
    let names = found.into_iter().filter_map(|name| name.into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort_unstable();
    Ok(names)
}

fn pause() {
    std::thread::sleep(WAIT.mul_f64(0.5 + fastrand::f64()));
}
