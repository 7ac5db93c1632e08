//! A directory whose clock and processes are in the hands of the test.

use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use towpath_coord::fs::{Disk, Fs};
use towpath_coord::liveness::{Identity, Life, Processes};
use towpath_coord::{EventLock, LOCK_NAME, Network, Place, World};
use towpath_core::{Clock, Error, ManualClock, Timestamp};

/// Processes that live until the test says otherwise.
#[derive(Debug, Default)]
pub(crate) struct Town {
    dead: Mutex<Vec<u32>>,
}

#[derive(Debug)]
struct Citizen {
    town: Arc<Town>,
    boot: Arc<str>,
    pid: u32,
}

impl Processes for Citizen {
    fn me(&self) -> Identity {
        Identity {
            host: "here".to_owned(),
            boot: self.boot.to_string(),
            namespace: 1,
            pid: self.pid,
            started: 1,
        }
    }

    fn life(&self, of: &Identity) -> Life {
        match self.town.dead.lock().unwrap().contains(&of.pid) {
            true => Life::Dead,
            false => Life::Alive,
        }
    }
}

/// A directory, its clock, and who uses it.
pub(crate) struct Stage {
    pub(crate) directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    town: Arc<Town>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            clock: Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000))),
            town: Arc::default(),
        }
    }

    /// The directory as a process sees it that works on `fs`.
    pub(crate) fn place_over(&self, pid: u32, fs: Arc<dyn Fs>) -> Result<Place, Error> {
        let (town, boot) = (self.town.clone(), self.clock.boot());
        let world = World::new()
            .with_fs(fs)
            .with_clock(self.clock.clone())
            .with_processes(Arc::new(Citizen { town, boot, pid }));
        Place::open(world, self.directory.path(), Network::Refuse)
    }

    pub(crate) fn lock_over(&self, pid: u32, fs: Arc<dyn Fs>) -> Result<EventLock, Error> {
        self.place_over(pid, fs).map(EventLock::new)
    }

    pub(crate) fn lock(&self, pid: u32) -> EventLock {
        self.lock_over(pid, Arc::new(Disk)).unwrap()
    }

    /// The directory that stands for the lock.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join(LOCK_NAME)
    }

    pub(crate) fn kill(&self, pid: u32) {
        self.town.dead.lock().unwrap().push(pid);
    }
}

/// Waits for a condition, as long as it may take on a machine that is busy.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < std::time::Duration::from_secs(30),
            "{what}"
        );
        std::thread::yield_now();
    }
}
