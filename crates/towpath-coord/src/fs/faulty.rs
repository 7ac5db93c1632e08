//! A layer over files that fails, or ends the world, at the n-th operation.
//!
//! Run a protocol once to [count](Faulty::count) its operations, then once for every n with the fault at the n-th, and look
//! at what is then on disk.

use std::any::Any;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::{Fs, Handle, Lock, Open, Stat};

/// What happens at the n-th operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and changes nothing; those after it are done. `StorageFull`, as on a disk that is.
    Fail,
    /// Of a write half of the bytes are written, then it fails; anything else fails as by [`Fault::Fail`].
    Tear,
    /// The process dies before it: nothing is done any more, and locks are given up.
    Die,
    /// The process dies in its midst: of a write half of the bytes are written.
    DieTorn,
    /// The process dies behind it.
    DieAfter,
}

#[derive(Debug)]
struct World {
    under: Arc<dyn Fs>,
    done: AtomicU64,
    at: u64,
    fault: Option<Fault>,
}

/// Files with a fault.
#[derive(Debug, Clone)]
pub struct Faulty(Arc<World>);

/// What is to become of an operation.
enum Fate {
    Done,
    /// Half of a write, then the error.
    Torn,
    /// Done, and the answer is lost.
    DoneAndDead,
}

fn dead() -> io::Error {
    io::Error::other("the process has died")
}

impl World {
    fn next(&self) -> io::Result<Fate> {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        match self.fault {
            Some(Fault::Fail) if number == self.at => Err(full()),
            Some(Fault::Tear) if number == self.at => Ok(Fate::Torn),
            Some(Fault::DieTorn) if number == self.at => Ok(Fate::Torn),
            Some(Fault::DieAfter) if number == self.at => Ok(Fate::DoneAndDead),
            Some(Fault::Die | Fault::DieTorn | Fault::DieAfter) if number >= self.at => Err(dead()),
            _ => Ok(Fate::Done),
        }
    }

    fn run<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.next()? {
            Fate::Done => operation(),
            Fate::Torn => Err(io::ErrorKind::StorageFull.into()),
            Fate::DoneAndDead => operation().and_then(|_| Err(dead())),
        }
    }
}

impl Faulty {
    /// Files of `under` with `fault` at the operation of that number, the first being 1; with none they only count.
    pub fn new(under: Arc<dyn Fs>, fault: Option<(u64, Fault)>) -> Self {
        Self(Arc::new(World {
            under,
            done: AtomicU64::new(0),
            at: fault.map_or(0, |(at, _)| at),
            fault: fault.map(|(_, fault)| fault),
        }))
    }

    /// How many operations there were.
    pub fn count(&self) -> u64 {
        self.0.done.load(Ordering::SeqCst)
    }

    /// Whether the operation with the fault was reached.
    pub fn struck(&self) -> bool {
        self.0.fault.is_some() && self.count() >= self.0.at
    }

    fn handle(
        &self,
        open: impl FnOnce() -> io::Result<Box<dyn Handle>>,
    ) -> io::Result<Box<dyn Handle>> {
        let under = self.0.run(open)?;
        let world = self.0.clone();
        Ok(Box::new(Watched { world, under }))
    }
}

impl Fs for Faulty {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn Handle>> {
        self.handle(|| self.0.under.open(path, how))
    }

    fn open_unnamed(&self, directory: &Path) -> io::Result<Box<dyn Handle>> {
        self.handle(|| self.0.under.open_unnamed(directory))
    }

    fn name(&self, file: &dyn Handle, path: &Path) -> io::Result<()> {
        let Some(watched) = file.as_any().downcast_ref::<Watched>() else {
            return Err(io::Error::other("a handle of another layer"));
        };
        self.0.run(|| self.0.under.name(&*watched.under, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.run(|| self.0.under.rename(from, to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.run(|| self.0.under.rename_new(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.run(|| self.0.under.remove_file(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.run(|| self.0.under.create_dir(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.0.run(|| self.0.under.remove_dir(path))
    }

    fn list(&self, directory: &Path, max: usize) -> io::Result<Vec<OsString>> {
        self.0.run(|| self.0.under.list(directory, max))
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.0.run(|| self.0.under.stat(path))
    }

    fn touch(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        self.0.run(|| self.0.under.touch(path, time))
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.0.run(|| self.0.under.sync_dir(directory))
    }

    fn network(&self, directory: &Path) -> io::Result<Option<String>> {
        self.0.run(|| self.0.under.network(directory))
    }

    fn is_local(&self, directory: &Path) -> io::Result<bool> {
        // Not counted: it is asked once with `network`, and nothing depends on which of the two fails.
        self.0.under.is_local(directory)
    }
}

#[derive(Debug)]
struct Watched {
    world: Arc<World>,
    under: Box<dyn Handle>,
}

impl Handle for Watched {
    fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        self.world.run(|| self.under.read_at(offset, max))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.world.next()? {
            Fate::Done => self.under.write_at(bytes, offset),
            Fate::Torn => {
                self.under.write_at(&bytes[..bytes.len() / 2], offset)?;
                Err(io::ErrorKind::StorageFull.into())
            }
            Fate::DoneAndDead => self
                .under
                .write_at(bytes, offset)
                .and_then(|()| Err(dead())),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.world.run(|| self.under.set_len(len))
    }

    fn sync(&self) -> io::Result<()> {
        self.world.run(|| self.under.sync())
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        self.world.run(|| self.under.try_lock(lock))
    }

    fn lock(&self, lock: Lock) -> io::Result<()> {
        self.world.run(|| self.under.lock(lock))
    }

    fn unlock(&self) -> io::Result<()> {
        self.world.run(|| self.under.unlock())
    }

    fn stat(&self) -> io::Result<Stat> {
        self.world.run(|| self.under.stat())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
