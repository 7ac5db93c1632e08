//! The lock of a directory: who holds it, who may take it, and what is left when somebody dies in between.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use towpath_coord::fs::faulty::{Fault, Faulty};
use towpath_coord::fs::{Disk, Fs};
use towpath_coord::liveness::Life;
use towpath_coord::{Begun, Checkout, Manifest, Refusal};
use towpath_coord::{Cancel, EventLock, LOCK_TIMEOUT, Network, Place, Steal, Wait, World};
use towpath_core::{Clock, Error, Kind};

use crate::stage::{Stage, until};

fn at_once(lock: &mut EventLock, steal: Steal) -> bool {
    lock.acquire_within(Wait::No, steal, &Cancel::new())
        .unwrap()
}

fn touch(path: &Path, time: SystemTime) {
    Disk.touch(path, time).unwrap();
}

#[test]
fn one_holds_it_and_its_directory_is_there_meanwhile() {
    let stage = Stage::new();
    let (mut one, mut other) = (stage.lock(1), stage.lock(2));
    assert_eq!(one.expiration().unwrap(), 0.0);
    assert!(at_once(&mut one, Steal::Never));
    let fence = one.fence().unwrap();
    let expires = 1_700_000_000.0 + LOCK_TIMEOUT.as_secs_f64();
    assert_eq!(other.expiration().unwrap(), expires);
    let modified = stage.path().metadata().unwrap().modified().unwrap();
    assert_eq!(modified, stage.clock.now().to_system_time());
    assert!(!at_once(&mut other, Steal::Expired));
    assert_eq!(
        one.acquire(true, true).unwrap_err().kind(),
        Kind::WrongState
    );
    assert!(one.release().unwrap());
    assert!(!one.release().unwrap());
    assert!(!stage.path().exists());
    assert!(at_once(&mut other, Steal::Never));
    assert_eq!(other.fence(), Some(fence + 1));
}

#[test]
fn one_whose_time_is_over_is_stolen_only_on_request_and_refused_afterwards() {
    let stage = Stage::new();
    let (mut one, mut other) = (stage.lock(1), stage.lock(2));
    assert!(at_once(&mut one, Steal::Never));
    stage.clock.advance(LOCK_TIMEOUT);
    assert!(!other.acquire(false, true).unwrap(), "stealing needs both");
    assert!(!at_once(&mut other, Steal::Never));
    assert!(at_once(&mut other, Steal::Expired));
    assert_eq!(one.renew().unwrap_err().kind(), Kind::LeaseLost);
    let published = one.publish(|| panic!("it is somebody else's"));
    let published: Result<(), _> = published;
    assert_eq!(published.unwrap_err().kind(), Kind::LeaseLost);
    assert!(!one.release().unwrap());
    assert_eq!(other.publish(|| Ok(7)).unwrap(), 7);
}

#[test]
fn a_renewed_one_lasts_from_its_renewal() {
    let stage = Stage::new();
    let (mut one, mut other) = (stage.lock(1), stage.lock(2));
    assert!(at_once(&mut one, Steal::Never));
    for _ in 0..5 {
        stage.clock.advance(LOCK_TIMEOUT - Duration::from_secs(1));
        one.renew().unwrap();
        assert!(!at_once(&mut other, Steal::Expired));
    }
    stage.clock.advance(LOCK_TIMEOUT);
    assert!(at_once(&mut other, Steal::Expired));
}

#[test]
fn the_wall_clock_may_jump() {
    for jump in [-3_600_000, 3_600_000] {
        let stage = Stage::new();
        let (mut one, mut other) = (stage.lock(1), stage.lock(2));
        assert!(at_once(&mut one, Steal::Never));
        stage.clock.step_wall(jump);
        assert!(!at_once(&mut other, Steal::Expired), "{jump}");
        stage.clock.advance(LOCK_TIMEOUT);
        assert!(at_once(&mut other, Steal::Expired), "{jump}");
    }
}

#[test]
fn that_of_a_dead_process_is_free_at_once() {
    let stage = Stage::new();
    let (mut one, mut other) = (stage.lock(1), stage.lock(2));
    assert!(at_once(&mut one, Steal::Never));
    stage.kill(1);
    assert!(at_once(&mut other, Steal::Never));
    assert!(!one.release().unwrap(), "it is the other's");
}

#[test]
fn who_does_not_know_the_guard_is_respected_for_the_timeout() {
    let stage = Stage::new();
    let mut lock = stage.lock(1);
    std::fs::create_dir(stage.path()).unwrap();
    touch(&stage.path(), stage.clock.now().to_system_time());
    assert!(!at_once(&mut lock, Steal::Expired));
    stage.clock.advance(LOCK_TIMEOUT);
    assert!(!at_once(&mut lock, Steal::Never));
    assert!(at_once(&mut lock, Steal::Expired));
}

#[test]
fn who_does_not_know_the_guard_is_respected_also_behind_a_checkout_whose_process_is_gone() {
    let stage = Stage::new();
    let checkout = |pid| {
        let place = stage.place_over(pid, Arc::new(Disk)).unwrap();
        Checkout::new(place, Manifest::new(["file"]).unwrap())
    };
    let begin = |pid| {
        checkout(pid)
            .begin(Wait::No, &Cancel::new(), || None)
            .unwrap()
    };
    drop(begin(1));
    stage.kill(1);
    std::fs::create_dir(stage.path()).unwrap();
    touch(&stage.path(), stage.clock.now().to_system_time());
    assert!(!at_once(&mut stage.lock(2), Steal::Expired));
    assert!(matches!(begin(2), Begun::Refused(Refusal::Busy)));
    assert!(stage.path().exists());
    stage.clock.advance(LOCK_TIMEOUT);
    assert!(at_once(&mut stage.lock(2), Steal::Expired));
}

#[test]
fn a_directory_of_a_time_to_come_is_nobodys_for_ever() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path()).unwrap();
    let ahead = LOCK_TIMEOUT * 2;
    touch(&stage.path(), stage.clock.now().to_system_time() + ahead);
    assert!(!at_once(&mut stage.lock(1), Steal::Never));
    assert!(at_once(&mut stage.lock(1), Steal::Expired));
}

#[test]
fn a_guard_file_that_was_removed_begins_with_a_fence_that_nobody_had() {
    let stage = Stage::new();
    let mut lock = stage.lock(1);
    assert!(at_once(&mut lock, Steal::Never));
    let fence = lock.fence();
    lock.release().unwrap();
    std::fs::remove_file(stage.directory.path().join(".towpath.guard")).unwrap();
    stage.clock.advance(Duration::from_secs(1));
    assert!(at_once(&mut lock, Steal::Never));
    assert!(lock.fence() > fence);
}

#[test]
fn who_does_not_know_the_guard_may_steal_and_it_is_noticed() {
    let stage = Stage::new();
    let mut lock = stage.lock(1);
    assert!(at_once(&mut lock, Steal::Never));
    std::fs::remove_dir(stage.path()).unwrap();
    assert_eq!(lock.renew().unwrap_err().kind(), Kind::LeaseLost);
    std::fs::create_dir(stage.path()).unwrap();
    touch(
        &stage.path(),
        stage.clock.now().to_system_time() + Duration::from_secs(1),
    );
    assert_eq!(lock.renew().unwrap_err().kind(), Kind::LeaseLost);
    assert!(!lock.release().unwrap());
    assert!(stage.path().exists(), "it is theirs");
    assert!(!at_once(&mut lock, Steal::Never));
    assert!(lock.force_release().unwrap());
    assert!(at_once(&mut lock, Steal::Never));
}

#[test]
fn a_file_or_what_lies_in_the_directory_is_not_ours_to_remove() {
    let stage = Stage::new();
    let mut lock = stage.lock(1);
    std::fs::write(stage.path(), "theirs").unwrap();
    let error = lock.acquire(true, true).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage, "{error}");
    std::fs::remove_file(stage.path()).unwrap();
    assert!(at_once(&mut lock, Steal::Never));
    let inside = stage.path().join("theirs");
    std::fs::write(&inside, "theirs").unwrap();
    assert!(lock.force_release().is_err());
    assert!(inside.exists());
    std::fs::remove_file(&inside).unwrap();
}

#[test]
fn a_wait_that_was_called_off_before_does_not_begin_and_one_has_an_end() {
    let stage = Stage::new();
    let (mut one, mut other) = (stage.lock(1), stage.lock(2));
    assert!(at_once(&mut one, Steal::Never));
    let cancel = Cancel::new();
    cancel.cancel();
    let waited = other.acquire_within(Wait::Forever, Steal::Never, &cancel);
    assert_eq!(waited.unwrap_err().kind(), Kind::Stopped);
    let ticking = stage.clock.clone();
    let over = Arc::new(Cancel::new());
    let until = over.clone();
    let ticks = std::thread::spawn(move || {
        while !until.is_cancelled() {
            ticking.advance(Duration::from_millis(10));
            std::thread::yield_now();
        }
    });
    let wait = Wait::For(Duration::from_secs(30));
    assert!(
        !other
            .acquire_within(wait, Steal::Never, &Cancel::new())
            .unwrap()
    );
    over.cancel();
    ticks.join().unwrap();
}

/// Somebody who waits for a lock in another thread, and is seen to.
struct Waiter {
    counting: Arc<Faulty>,
    cancel: Arc<Cancel>,
    thread: JoinHandle<(EventLock, Result<bool, Error>)>,
}

impl Waiter {
    fn start(stage: &Stage, pid: u32, wait: Wait) -> Self {
        let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
        let cancel = Arc::new(Cancel::new());
        let mut lock = stage.lock_over(pid, counting.clone()).unwrap();
        let theirs = cancel.clone();
        let thread = std::thread::spawn(move || {
            let waited = lock.acquire_within(wait, Steal::Never, &theirs);
            (lock, waited)
        });
        Self {
            counting,
            cancel,
            thread,
        }
    }

    /// Until it has done so many operations on files: it has looked, and waits to look again.
    fn has_done(&self, operations: u64) {
        until("it does not wait", || self.counting.count() >= operations);
    }

    /// Calls the wait off, which says so; answers the lock that was waited for.
    fn call_off(self) -> EventLock {
        assert!(!self.thread.is_finished());
        self.cancel.cancel();
        until("it waits for ever", || self.thread.is_finished());
        let (lock, waited) = self.thread.join().unwrap();
        assert_eq!(waited.unwrap_err().kind(), Kind::Stopped);
        lock
    }
}

#[test]
fn a_wait_for_a_holder_is_called_off_in_its_midst() {
    // The clock stands still, so neither has an end of its own.
    for wait in [Wait::Forever, Wait::For(Duration::from_secs(1))] {
        let stage = Stage::new();
        let mut one = stage.lock(1);
        assert!(at_once(&mut one, Steal::Never));
        let waiter = Waiter::start(&stage, 2, wait);
        waiter.has_done(30);
        let mut other = waiter.call_off();
        one.renew().unwrap();
        assert!(!at_once(&mut other, Steal::Never));
        assert!(one.release().unwrap());
        assert!(at_once(&mut other, Steal::Never));
    }
}

#[test]
fn a_wait_for_who_stands_still_in_a_transition_is_called_off_in_its_midst() {
    let stage = Stage::new();
    let mut one = stage.lock(1);
    assert!(at_once(&mut one, Steal::Never));
    let published = one.publish(|| {
        let waiter = Waiter::start(&stage, 2, Wait::Forever);
        // It does nothing but open the guard file and try to lock it.
        waiter.has_done(5);
        Ok(waiter.call_off())
    });
    assert!(!at_once(&mut published.unwrap(), Steal::Never));
    assert!(one.release().unwrap());
}

/// What is done to a lock that is free, or held by one whose time is over.
fn life_of(lock: &mut EventLock) -> Result<u64, Error> {
    lock.acquire_within(Wait::No, Steal::Expired, &Cancel::new())?;
    let fence = lock.fence().unwrap_or(0);
    lock.renew()?;
    lock.publish(|| Ok(()))?;
    lock.release()?;
    Ok(fence)
}

#[test]
fn whenever_a_process_dies_the_lock_is_free_at_once_and_the_fence_grows() {
    for stale in [false, true] {
        let prepare = || {
            let stage = Stage::new();
            if stale {
                let mut before = stage.lock(7);
                assert!(at_once(&mut before, Steal::Never));
                stage.clock.advance(LOCK_TIMEOUT);
                std::mem::forget(before);
            }
            stage
        };
        let stage = prepare();
        let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
        life_of(&mut stage.lock_over(1, counting.clone()).unwrap()).unwrap();
        let all = counting.count();
        assert!(all > 15, "{all}");
        for at in 1..=all {
            for fault in [Fault::Die, Fault::DieTorn, Fault::DieAfter] {
                let stage = prepare();
                let fs = Arc::new(Faulty::new(Arc::new(Disk), Some((at, fault))));
                let mut granted = 0;
                if let Ok(mut lock) = stage.lock_over(1, fs.clone()) {
                    let _died = life_of(&mut lock);
                    granted = lock.fence().unwrap_or(0);
                }
                assert!(fs.struck());
                stage.kill(1);
                let mut next = stage.lock(2);
                let taken = next.acquire_within(Wait::No, Steal::Expired, &Cancel::new());
                assert!(taken.unwrap(), "{fault:?} at {at}");
                let fence = next.fence().unwrap();
                assert!(
                    fence > granted,
                    "{fault:?} at {at}: {fence} after {granted}"
                );
                next.publish(|| Ok(())).unwrap();
            }
        }
    }
}

#[test]
fn whenever_who_releases_by_force_dies_the_holder_has_it_still_or_it_is_free() {
    let held = || {
        let stage = Stage::new();
        let mut holder = stage.lock(7);
        assert!(at_once(&mut holder, Steal::Never));
        (stage, holder)
    };
    let (stage, _holder) = held();
    let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
    let mut forced = stage.lock_over(1, counting.clone()).unwrap();
    assert!(forced.force_release().unwrap());
    let (mut before, mut behind) = (0, 0);
    for at in 1..=counting.count() {
        for fault in [Fault::Die, Fault::DieTorn, Fault::DieAfter] {
            let (stage, holder) = held();
            let fs = Arc::new(Faulty::new(Arc::new(Disk), Some((at, fault))));
            if let Ok(mut lock) = stage.lock_over(1, fs.clone()) {
                let _died = lock.force_release();
            }
            assert!(fs.struck());
            stage.kill(1);
            let is_held = holder.publish(|| Ok(())).is_ok();
            let mut next = stage.lock(2);
            let is_taken = at_once(&mut next, Steal::Never);
            assert_ne!(is_held, is_taken, "{fault:?} at {at}");
            if is_taken {
                assert!(next.fence() > holder.fence(), "{fault:?} at {at}");
            }
            // Who asks again has it.
            assert!(stage.lock(3).force_release().unwrap());
            assert!(at_once(&mut stage.lock(4), Steal::Never));
            before += u32::from(is_held);
            behind += u32::from(is_taken);
        }
    }
    assert!(before > 0 && behind > 0, "{before} and {behind}");
}

#[test]
fn whatever_fails_the_lock_is_held_by_one_or_free_in_time() {
    let stage = Stage::new();
    let counting = Arc::new(Faulty::new(Arc::new(Disk), None));
    life_of(&mut stage.lock_over(1, counting.clone()).unwrap()).unwrap();
    for at in 1..=counting.count() {
        for fault in [Fault::Fail, Fault::Tear] {
            let stage = Stage::new();
            let fs = Arc::new(Faulty::new(Arc::new(Disk), Some((at, fault))));
            let Ok(mut lock) = stage.lock_over(1, fs) else {
                continue;
            };
            let _failed_or_not = life_of(&mut lock);
            let held = lock.fence().is_some() && lock.publish(|| Ok(())).is_ok();
            let mut other = stage.lock(2);
            let taken = other
                .acquire_within(Wait::No, Steal::Never, &Cancel::new())
                .unwrap();
            assert!(!(held && taken), "{fault:?} at {at}: two hold it");
            drop(other);
            stage.clock.advance(LOCK_TIMEOUT);
            let taken = stage
                .lock(3)
                .acquire_within(Wait::No, Steal::Expired, &Cancel::new());
            assert!(taken.unwrap(), "{fault:?} at {at}");
        }
    }
}

#[test]
fn a_kept_lock_is_renewed_and_tells_when_it_was_lost() {
    let directory = TempDir::new().unwrap();
    let place = || Place::open(World::new(), directory.path(), Network::Refuse).unwrap();
    let mut lock = EventLock::lasting(place(), Duration::from_millis(60));
    assert!(at_once(&mut lock, Steal::Never));
    let kept = lock.keep().unwrap();
    let first = EventLock::new(place()).expires().unwrap();
    until("it was not renewed", || {
        EventLock::new(place()).expires().unwrap() > first
    });
    assert!(!kept.publish(|| Ok(kept.is_lost())).unwrap());
    assert!(EventLock::new(place()).force_release().unwrap());
    until("the loss was not noticed", || kept.is_lost());
    let published: Result<(), _> = kept.publish(|| panic!("it was lost"));
    assert_eq!(published.unwrap_err().kind(), Kind::LeaseLost);
    assert!(!kept.release().unwrap());
}

#[test]
fn a_kept_lock_is_given_up_when_it_is_dropped() {
    let stage = Stage::new();
    let mut lock = stage.lock(1);
    assert!(at_once(&mut lock, Steal::Never));
    let fence = lock.fence();
    let kept = lock.keep().unwrap();
    assert_eq!(Some(kept.fence()), fence);
    drop(kept);
    assert!(!stage.path().exists());
    assert!(at_once(&mut stage.lock(2), Steal::Never));
}

#[test]
fn a_holder_is_told_with_his_life_and_somebody_unknown_without() {
    let stage = Stage::new();
    let (mut one, other) = (stage.lock(1), stage.lock(2));
    assert_eq!(other.holder().unwrap(), None);
    assert!(
        std::fs::read_dir(stage.directory.path())
            .unwrap()
            .next()
            .is_none(),
        "to look leaves nothing behind"
    );
    assert!(at_once(&mut one, Steal::Never));
    let holder = other.holder().unwrap().unwrap();
    assert_eq!(holder.owner.as_ref().unwrap().pid, 1);
    assert_eq!(
        (holder.life, holder.fence, holder.is_over),
        (Life::Alive, one.fence(), false)
    );
    stage.clock.advance(LOCK_TIMEOUT);
    assert!(other.holder().unwrap().unwrap().is_over);
    stage.kill(1);
    assert_eq!(other.holder().unwrap().unwrap().life, Life::Dead);
    assert!(at_once(&mut stage.lock(2), Steal::Never));
    assert_eq!(other.holder().unwrap(), None, "it was dropped");

    std::fs::create_dir(stage.path()).unwrap();
    let holder = other.holder().unwrap().unwrap();
    assert_eq!((holder.owner, holder.fence), (None, None));
    assert_eq!(holder.life, Life::Unknown);
}
