//! What the protocols stand on: files that fail, processes that die, directories that are refused.

use std::io::ErrorKind;
use std::sync::Arc;

use std::time::Duration;

use tempfile::TempDir;
use towpath_coord::fs::faulty::{Fault, Faulty};
use towpath_coord::fs::{Disk, Fs, Lock, Open};
use towpath_coord::liveness::{Life, Processes, System};
use towpath_coord::{Network, Place, World};
use towpath_core::{Kind, SystemClock};

#[test]
fn a_file_without_a_name_is_given_one_that_is_free() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    let file = Disk.open_unnamed(directory.path()).unwrap();
    file.write_at(b"whole", 0).unwrap();
    assert!(Disk.list(directory.path(), 10).unwrap().is_empty());
    Disk.name(&*file, &path).unwrap();
    let other = Disk.open_unnamed(directory.path()).unwrap();
    let taken = Disk.name(&*other, &path).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let found = Disk.open(&path, Open::Read).unwrap();
    assert_eq!(found.read_at(0, 100).unwrap(), b"whole");
    assert_eq!(found.stat().unwrap().mode, 0o600);
}

#[test]
fn handles_of_one_process_lock_each_other_out() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    let one = Disk.open(&path, Open::CreateNew).unwrap();
    let other = Disk.open(&path, Open::Write).unwrap();
    assert!(one.try_lock(Lock::Exclusive).unwrap());
    assert!(!other.try_lock(Lock::Shared).unwrap());
    drop(one);
    assert!(other.try_lock(Lock::Exclusive).unwrap());
}

#[test]
fn a_link_is_not_followed() {
    let directory = TempDir::new().unwrap();
    let (target, link) = (
        directory.path().join("target"),
        directory.path().join("link"),
    );
    std::fs::write(&target, "theirs").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    for how in [Open::Read, Open::Write, Open::Create, Open::CreateNew] {
        assert!(Disk.open(&link, how).is_err(), "{how:?}");
    }
    assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
}

#[test]
fn a_rename_that_is_to_be_new_replaces_nothing() {
    let directory = TempDir::new().unwrap();
    let (one, other) = (directory.path().join("one"), directory.path().join("other"));
    std::fs::write(&one, "1").unwrap();
    std::fs::write(&other, "2").unwrap();
    let taken = Disk.rename_new(&one, &other).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&other).unwrap(), b"2");
}

#[test]
fn the_world_ends_at_the_operation_that_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("file");
    let write = |fault| {
        let _gone_or_not = std::fs::remove_file(&path);
        let fs = Faulty::new(Arc::new(Disk), fault);
        let written = fs
            .open(&path, Open::CreateNew)
            .and_then(|file| file.write_at(b"12345678", 0));
        let later = fs.list(directory.path(), 10).is_ok();
        let left = std::fs::read(&path).ok();
        (written.is_ok(), left.map(|bytes| bytes.len()), later)
    };
    assert_eq!(write(None), (true, Some(8), true));
    assert_eq!(write(Some((1, Fault::Fail))), (false, None, true));
    assert_eq!(write(Some((2, Fault::Tear))), (false, Some(4), true));
    assert_eq!(write(Some((2, Fault::Die))), (false, Some(0), false));
    assert_eq!(write(Some((2, Fault::DieTorn))), (false, Some(4), false));
    assert_eq!(write(Some((2, Fault::DieAfter))), (false, Some(8), false));
}

#[test]
fn a_process_is_known_by_its_start() {
    let processes = System::new(&SystemClock::new());
    let me = processes.me();
    assert_eq!(processes.life(&me), Life::Alive);
    let mut recycled = me.clone();
    recycled.started += 1;
    assert_eq!(
        processes.life(&recycled),
        Life::Dead,
        "the number is another's by now"
    );
    let mut child = std::process::Command::new("sleep")
        .arg("100")
        .spawn()
        .unwrap();
    let mut killed = me.clone();
    killed.pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(processes.life(&killed), Life::Dead);
    let mut elsewhere = me.clone();
    elsewhere.host = "another-machine".to_owned();
    elsewhere.boot = "another start".to_owned();
    assert_eq!(processes.life(&elsewhere), Life::Unknown);
    let mut before = me.clone();
    before.boot = "an earlier start".to_owned();
    assert_eq!(processes.life(&before), Life::Dead);
    let mut apart = me;
    apart.namespace += 1;
    assert_eq!(processes.life(&apart), Life::Unknown);
}

#[test]
fn the_end_of_a_process_ends_the_sleep_while_it_lives() {
    let processes = System::new(&SystemClock::new());
    let mut child = std::process::Command::new("sleep").arg("0.2").spawn();
    let child = child.as_mut().unwrap();
    let living = processes.of(child.id()).unwrap();
    // Would it not be ended, this test would not end.
    processes.sleep_while(&living, Duration::from_secs(100_000));
    assert_eq!(processes.life(&living), Life::Dead);
    child.wait().unwrap();
    processes.sleep_while(&living, Duration::from_secs(100_000));
}

#[test]
fn a_directory_that_is_not_there_is_told_and_not_made() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("missing");
    let error = Place::open(World::new(), &missing, Network::Refuse).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!missing.exists());
    let place = Place::open(World::new(), directory.path(), Network::Allow).unwrap();
    assert_eq!(place.directory(), directory.path());
    assert!(Disk.list(directory.path(), 10).unwrap().is_empty());
}
