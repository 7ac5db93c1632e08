//! The event directory is removed, and perhaps made anew, under who holds something in it: he is told, and nothing that
//! somebody else has taken meanwhile in the new directory is touched.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use towpath_coord::fs::Disk;
use towpath_coord::fs::faulty::Faulty;
use towpath_coord::{
    Begun, Cancel, Checkout, CoolDownParams, EventLock, Generating, Intent, Manifest, Network,
    Place, Refusal, Steal, Wait, World,
};
use towpath_core::{Clock as _, Kind, Result};

use crate::stage::{Stage, until};

const NAMES: [&str; 2] = ["map.fits", "map.png"];

fn remove(stage: &Stage) {
    fs::remove_dir_all(stage.directory.path()).unwrap();
}

/// Puts a new directory in the place of the one that is there.
fn replace(stage: &Stage) {
    remove(stage);
    fs::create_dir(stage.directory.path()).unwrap();
    // The removal took its time.
    stage.clock.advance(Duration::from_millis(1));
}

fn at_once(lock: &mut EventLock) -> Result<bool> {
    lock.acquire_within(Wait::No, Steal::Never, &Cancel::new())
}

fn held(stage: &Stage, pid: u32) -> EventLock {
    let mut lock = stage.lock(pid);
    assert!(at_once(&mut lock).unwrap());
    lock
}

fn kind_of<T>(answered: Result<T>) -> Kind {
    match answered {
        Ok(_) => panic!("it was done"),
        Err(error) => error.kind(),
    }
}

fn checkout(stage: &Stage, pid: u32) -> Checkout {
    let place = stage.place_over(pid, Arc::new(Disk)).unwrap();
    let manifest = Manifest::new(NAMES).unwrap();
    Checkout::new(place, manifest).cooldown(CoolDownParams::default())
}

fn begin(checkout: &Checkout) -> Begun {
    checkout.begin(Wait::No, &Cancel::new(), || None).unwrap()
}

fn generating(stage: &Stage, pid: u32) -> Generating {
    match begin(&checkout(stage, pid)) {
        Begun::Generating(ours) => *ours,
        Begun::Refused(why) => panic!("{why:?}"),
    }
}

fn make(generating: &Generating, text: &str) {
    for name in NAMES {
        fs::write(generating.part(name.as_ref()).unwrap(), text).unwrap();
    }
}

/// The names in the directory, sorted.
fn names(stage: &Stage) -> Vec<String> {
    let entries = fs::read_dir(stage.directory.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn a_holder_whose_directory_is_gone_is_told_so_whatever_he_does() {
    let stage = Stage::new();
    let mut lock = held(&stage, 1);
    remove(&stage);
    assert_eq!(kind_of(lock.renew()), Kind::NotFound);
    let published: Result<()> = lock.publish(|| panic!("there is nothing to publish in"));
    assert_eq!(kind_of(published), Kind::NotFound);
    assert_eq!(kind_of(lock.release()), Kind::NotFound);
    assert_eq!(kind_of(at_once(&mut lock)), Kind::NotFound);
    assert_eq!(kind_of(lock.expires()), Kind::NotFound);
    assert_eq!(lock.holder().unwrap(), None);
    drop(lock);
    assert!(!stage.directory.path().exists(), "nobody makes it again");
}

#[test]
fn a_holder_whose_directory_was_made_anew_has_lost_the_lock() {
    let stage = Stage::new();
    let mut lock = held(&stage, 1);
    let fence = lock.fence();
    replace(&stage);
    assert_eq!(kind_of(lock.renew()), Kind::LeaseLost);
    let published: Result<()> = lock.publish(|| panic!("the lock was lost"));
    assert_eq!(kind_of(published), Kind::LeaseLost);
    assert!(!lock.release().unwrap());
    assert!(at_once(&mut lock).unwrap(), "nobody holds it");
    assert!(lock.fence() > fence);
    lock.publish(|| Ok(())).unwrap();
    assert!(lock.release().unwrap());
}

#[test]
fn who_takes_the_lock_in_the_new_directory_keeps_it_against_the_holder_of_old() {
    let stage = Stage::new();
    let mut old = held(&stage, 1);
    replace(&stage);
    let mut new = held(&stage, 2);
    assert!(new.fence() > old.fence());
    assert_eq!(kind_of(old.renew()), Kind::LeaseLost);
    let published: Result<()> = old.publish(|| panic!("it is somebody else's"));
    assert_eq!(kind_of(published), Kind::LeaseLost);
    assert!(!old.release().unwrap());
    assert!(!at_once(&mut old).unwrap());
    drop(old);
    assert!(stage.path().exists());
    new.renew().unwrap();
    assert_eq!(new.publish(|| Ok(7)).unwrap(), 7);
    assert!(new.release().unwrap());
}

#[test]
fn a_holder_that_is_dropped_behind_its_directory_leaves_the_new_one_alone() {
    let stage = Stage::new();
    let old = held(&stage, 1);
    replace(&stage);
    let new = held(&stage, 2);
    drop(old);
    new.publish(|| Ok(())).unwrap();
    assert_eq!(new.holder().unwrap().unwrap().owner.unwrap().pid, 2);
}

#[test]
fn a_kept_lock_whose_directory_is_gone_is_lost() {
    for is_made_anew in [false, true] {
        let directory = TempDir::new().unwrap();
        let place = Place::open(World::new(), directory.path(), Network::Refuse).unwrap();
        let mut lock = EventLock::lasting(place.clone(), Duration::from_millis(60));
        assert!(at_once(&mut lock).unwrap());
        // Moved away in one step, for the thread goes on in it meanwhile.
        let kept = lock.keep().unwrap();
        let elsewhere = TempDir::new().unwrap();
        fs::rename(directory.path(), elsewhere.path().join("old")).unwrap();
        if is_made_anew {
            fs::create_dir(directory.path()).unwrap();
        }
        until("the loss was not noticed", || kept.is_lost());
        let published: Result<()> = kept.publish(|| panic!("it was lost"));
        let expected = match is_made_anew {
            true => Kind::LeaseLost,
            false => Kind::NotFound,
        };
        assert_eq!(kind_of(published), expected);
        drop(kept);
        if is_made_anew {
            assert!(at_once(&mut EventLock::new(place)).unwrap());
        }
    }
}

#[test]
fn who_waits_for_a_lock_is_told_that_its_directory_is_gone() {
    let stage = Stage::new();
    let old = held(&stage, 1);
    let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
    let mut waiting = stage.lock_over(2, counting.clone()).unwrap();
    assert!(!at_once(&mut waiting).unwrap());
    let looked_once = counting.count();
    let wait = move || waiting.acquire_within(Wait::Forever, Steal::Never, &Cancel::new());
    let waiter = std::thread::spawn(wait);
    until("he does not wait", || counting.count() > 2 * looked_once);
    let elsewhere = TempDir::new().unwrap();
    fs::rename(stage.directory.path(), elsewhere.path().join("old")).unwrap();
    until("he waits for ever", || waiter.is_finished());
    assert_eq!(kind_of(waiter.join().unwrap()), Kind::NotFound);
    drop(old);
}

#[test]
fn a_claim_whose_directory_is_gone_is_nobodys_and_cannot_be_renewed() {
    let stage = Stage::new();
    let place = stage.place_over(1, Arc::new(Disk)).unwrap();
    let manifest = Manifest::new(NAMES).unwrap();
    let intent = Intent::new(&place, &manifest, 1);
    let expiry = stage.clock.now().after(Duration::from_secs(60));
    intent.write(expiry).unwrap();
    for is_made_anew in [false, true] {
        if is_made_anew {
            fs::create_dir(stage.directory.path()).unwrap();
        } else {
            remove(&stage);
        }
        assert!(!intent.verify().unwrap());
        assert!(!intent.in_progress().unwrap());
        assert_eq!(kind_of(intent.renew(expiry)), Kind::LeaseLost);
        intent.clear().unwrap();
    }
    assert!(names(&stage).is_empty(), "{:?}", names(&stage));
    intent.write(expiry).unwrap();
    assert!(intent.verify().unwrap());
}

#[test]
fn what_was_made_in_a_directory_that_is_gone_is_not_published() {
    let stage = Stage::new();
    let ours = generating(&stage, 1);
    make(&ours, "ours");
    remove(&stage);
    assert_eq!(kind_of(ours.renew()), Kind::NotFound);
    assert_eq!(kind_of(ours.commit()), Kind::NotFound);
    assert!(!stage.directory.path().exists(), "nobody makes it again");
}

#[test]
fn what_was_made_in_a_directory_that_was_made_anew_is_published_under_nobodys_claim() {
    let stage = Stage::new();
    let ours = generating(&stage, 1);
    make(&ours, "ours");
    replace(&stage);
    let theirs = generating(&stage, 2);
    // The maker does not notice and goes on where his parts were.
    make(&ours, "ours");
    assert_eq!(kind_of(ours.renew()), Kind::LeaseLost);
    assert_eq!(kind_of(ours.commit()), Kind::LeaseLost);
    // Nor is it counted as a failure of theirs.
    let begun = begin(&checkout(&stage, 3));
    assert!(
        matches!(begun, Begun::Refused(Refusal::Claimed { .. })),
        "{begun:?}"
    );
    make(&theirs, "theirs");
    theirs.commit().unwrap();
    for name in NAMES {
        let path = stage.directory.path().join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), "theirs");
    }
    assert_eq!(names(&stage), [".towpath.guard", "map.fits", "map.png"]);
}

#[test]
fn a_failure_in_a_directory_that_was_made_anew_is_not_counted_there() {
    let stage = Stage::new();
    let ours = generating(&stage, 1);
    replace(&stage);
    ours.fail().unwrap();
    drop(generating(&stage, 2));
}
