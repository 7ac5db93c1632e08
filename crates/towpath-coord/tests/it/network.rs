//! Directories that other machines write to as well: refused unless they are allowed, tested before they are used, and
//! on them of another start of the machine nobody is taken for dead.

use std::any::Any;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;
use towpath_coord::fs::{Disk, Fs, Handle, Lock, Open, Stat};
use towpath_coord::liveness::{Identity, Life, Processes, System};
use towpath_coord::{
    Begun, CLAIM_TIME, Cancel, Checkout, EventLock, LOCK_TIMEOUT, Manifest, Network, Place,
    Refusal, Steal, Wait, World,
};
use towpath_core::{Kind, ManualClock, Timestamp};

const MOUNT: &str = "nfs mounted at /mnt/shared";

/// What a file system does about locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locks {
    Hold,
    /// Everybody is given them.
    DoNotHold,
    /// Nobody is, not even alone.
    AreRefused,
    Fail,
}

/// A disk of this machine that does not say so.
#[derive(Debug)]
struct Mounted {
    on: Option<&'static str>,
    locks: Locks,
}

#[derive(Debug)]
struct File {
    of: Box<dyn Handle>,
    locks: Locks,
}

impl Fs for Mounted {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn Handle>> {
        let (of, locks) = (Disk.open(path, how)?, self.locks);
        Ok(Box::new(File { of, locks }))
    }

    fn open_unnamed(&self, _directory: &Path) -> io::Result<Box<dyn Handle>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn name(&self, _file: &dyn Handle, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename_new(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        Disk.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_dir(path)
    }

    fn list(&self, directory: &Path, max: usize) -> io::Result<Vec<OsString>> {
        Disk.list(directory, max)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Disk.stat(path)
    }

    fn touch(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        Disk.touch(path, time)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        Disk.sync_dir(directory)
    }

    fn network(&self, _directory: &Path) -> io::Result<Option<String>> {
        Ok(self.on.map(str::to_owned))
    }

    /// As of FUSE it is not known where it is.
    fn is_local(&self, _directory: &Path) -> io::Result<bool> {
        Ok(false)
    }
}

impl Handle for File {
    fn read_at(&self, offset: u64, max: usize) -> io::Result<Vec<u8>> {
        self.of.read_at(offset, max)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.of.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.of.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.of.sync()
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        match self.locks {
            Locks::Hold => self.of.try_lock(lock),
            Locks::DoNotHold => Ok(true),
            Locks::AreRefused => Ok(false),
            Locks::Fail => Err(io::Error::other("no locks available")),
        }
    }

    fn lock(&self, lock: Lock) -> io::Result<()> {
        self.of.lock(lock)
    }

    fn unlock(&self) -> io::Result<()> {
        self.of.unlock()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.of.stat()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn over(on: Option<&'static str>, locks: Locks) -> World {
    World::new().with_fs(Arc::new(Mounted { on, locks }))
}

#[test]
fn a_network_file_system_is_refused_with_its_mount_and_the_way_to_allow_it() {
    let directory = TempDir::new().unwrap();
    let open = |network| Place::open(over(Some(MOUNT), Locks::Hold), directory.path(), network);
    let refused = open(Network::default()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    let text = refused.to_string();
    let shown = directory.path().display().to_string();
    for part in [MOUNT, "`Network::Allow`", &shown] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let mut lock = EventLock::new(open(Network::Allow).unwrap());
    assert!(lock.acquire(false, false).unwrap());
    assert!(lock.release().unwrap());
}

#[test]
fn a_directory_that_is_not_known_to_be_local_is_taken_only_where_locks_hold_in_it() {
    let check = |on, network, locks, expected: Option<Kind>| {
        let directory = TempDir::new().unwrap();
        let opened = Place::open(over(on, locks), directory.path(), network);
        let error = opened.err();
        assert_eq!(error.as_ref().map(towpath_core::Error::kind), expected);
        let text = error.map_or_else(String::new, |error| error.to_string());
        let shown = directory.path().display().to_string();
        assert!(expected.is_none() || text.contains(&shown), "{text}");
        let left = Disk.list(directory.path(), 10).unwrap();
        assert!(left.is_empty(), "the test has left {left:?}");
    };
    for (on, network) in [
        (None, Network::Refuse),
        (None, Network::Allow),
        (Some(MOUNT), Network::Allow),
    ] {
        check(on, network, Locks::Hold, None);
        check(on, network, Locks::DoNotHold, Some(Kind::Unsupported));
        check(on, network, Locks::AreRefused, Some(Kind::Unsupported));
        check(on, network, Locks::Fail, Some(Kind::Storage));
    }
}

/// A process that is only there to have left something behind.
#[derive(Debug)]
struct Gone(Identity);

impl Processes for Gone {
    fn me(&self) -> Identity {
        self.0.clone()
    }

    fn life(&self, _of: &Identity) -> Life {
        Life::Unknown
    }
}

/// A directory, used by real processes of this machine and by those that a test makes up.
struct Shared {
    directory: TempDir,
    clock: Arc<ManualClock>,
    on: Option<&'static str>,
}

impl Shared {
    fn on(on: Option<&'static str>) -> Self {
        let now = Timestamp::from_millis(1_700_000_000_000);
        Self {
            directory: TempDir::new().unwrap(),
            clock: Arc::new(ManualClock::new(now)),
            on,
        }
    }

    fn me(&self) -> Identity {
        System::new(&*self.clock).me()
    }

    /// One of the same name and number, but of another start: this machine before, or another one of its name.
    fn of_another_start(&self) -> Identity {
        let boot = "another start".to_owned();
        let me = self.me();
        assert_ne!(me.boot, boot);
        Identity { boot, ..me }
    }

    /// One of this start that is not there any more.
    fn dead(&self) -> Identity {
        let me = self.me();
        let started = me.started + 1;
        Identity { started, ..me }
    }

    fn place(&self, processes: Arc<dyn Processes>) -> Place {
        let world = over(self.on, Locks::Hold)
            .with_clock(self.clock.clone())
            .with_processes(processes);
        Place::open(world, self.directory.path(), Network::Allow).unwrap()
    }

    fn here(&self) -> Place {
        self.place(Arc::new(System::new(&*self.clock)))
    }

    /// Has a process take the lock and be gone.
    fn lock_left_by(&self, process: Identity) -> EventLock {
        let mut lock = EventLock::new(self.place(Arc::new(Gone(process))));
        assert!(at_once(&mut lock, Steal::Never));
        std::mem::forget(lock);
        EventLock::new(self.here())
    }

    /// Has a process claim a file and be gone.
    fn claim_left_by(&self, process: Identity) -> Checkout {
        let checkout = |place| Checkout::new(place, Manifest::new(["file"]).unwrap());
        let theirs = begin(&checkout(self.place(Arc::new(Gone(process)))));
        assert!(matches!(theirs, Begun::Generating(_)), "{theirs:?}");
        std::mem::forget(theirs);
        checkout(self.here())
    }
}

fn at_once(lock: &mut EventLock, steal: Steal) -> bool {
    lock.acquire_within(Wait::No, steal, &Cancel::new())
        .unwrap()
}

fn begin(checkout: &Checkout) -> Begun {
    checkout.begin(Wait::No, &Cancel::new(), || None).unwrap()
}

#[test]
fn on_a_disk_of_this_machine_who_was_there_before_its_start_is_dead() {
    let shared = Shared::on(None);
    let mut lock = shared.lock_left_by(shared.of_another_start());
    assert_eq!(lock.holder().unwrap().unwrap().life, Life::Dead);
    assert!(at_once(&mut lock, Steal::Never));
    assert!(lock.release().unwrap());
    let checkout = shared.claim_left_by(shared.of_another_start());
    assert!(matches!(begin(&checkout), Begun::Generating(_)));
}

#[test]
fn on_a_network_file_system_who_is_of_another_start_may_live_on_another_machine() {
    let shared = Shared::on(Some(MOUNT));
    let mut lock = shared.lock_left_by(shared.of_another_start());
    assert_eq!(lock.holder().unwrap().unwrap().life, Life::Unknown);
    assert!(!at_once(&mut lock, Steal::Never));
    assert!(!at_once(&mut lock, Steal::Expired), "its time is not over");
    // The boot clock of another start says nothing here; the wall clock is what both have.
    shared.clock.step_wall(LOCK_TIMEOUT.as_millis() as i64);
    assert!(!at_once(&mut lock, Steal::Never));
    assert!(at_once(&mut lock, Steal::Expired));
    assert!(lock.release().unwrap());

    let checkout = shared.claim_left_by(shared.of_another_start());
    let begun = begin(&checkout);
    let Begun::Refused(Refusal::Claimed { remaining }) = begun else {
        panic!("{begun:?}")
    };
    assert_eq!(remaining, CLAIM_TIME);
    shared.clock.step_wall(CLAIM_TIME.as_millis() as i64);
    assert!(matches!(begin(&checkout), Begun::Generating(_)));
}

#[test]
fn on_a_network_file_system_the_dead_of_this_start_are_known_all_the_same() {
    let shared = Shared::on(Some(MOUNT));
    let mut lock = shared.lock_left_by(shared.dead());
    assert_eq!(lock.holder().unwrap().unwrap().life, Life::Dead);
    assert!(at_once(&mut lock, Steal::Never));
    assert!(lock.release().unwrap());
    let checkout = shared.claim_left_by(shared.dead());
    assert!(matches!(begin(&checkout), Begun::Generating(_)));
}
