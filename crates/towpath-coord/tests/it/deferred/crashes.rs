//! The world fails or ends at every operation of every protocol; then another process comes.

use std::sync::Arc;

use towpath_coord::Place;
use towpath_coord::deferred::{Config, Manager, Order, Registry, clean, list};
use towpath_coord::fs::faulty::{Fault, Faulty};
use towpath_coord::fs::{Disk, Fs};
use towpath_coord::journal::Durability;

use super::Site;
use super::poor::Poor;

pub(super) const FAULTS: [Fault; 5] = [
    Fault::Fail,
    Fault::Tear,
    Fault::Die,
    Fault::DieTorn,
    Fault::DieAfter,
];

pub(super) fn ends_the_world(fault: Fault) -> bool {
    !matches!(fault, Fault::Fail | Fault::Tear)
}

/// What a protocol has been promised, by words that are to be said.
type Promised = Vec<String>;

/// Runs a protocol as process 2 with each fault at each of its operations, and looks at what process 3 then finds.
fn at_every_operation(
    prepare: fn(&Site) -> Promised,
    protocol: fn(&Registry, &Place, &mut Promised),
) {
    let disk: Arc<dyn Fs> = Arc::new(Disk);
    at_every_operation_on(&disk, prepare, protocol);
}

/// The same for process 2 on such a file system.
fn at_every_operation_on(
    under: &Arc<dyn Fs>,
    prepare: fn(&Site) -> Promised,
    protocol: fn(&Registry, &Place, &mut Promised),
) {
    let run = |fault: Option<(u64, Fault)>| {
        let site = Site::new();
        let mut promised = prepare(&site);
        // To look at a place is its first operation, and has nothing to lose.
        let fs = Faulty::new(under.clone(), fault);
        let place = site.place_over(2, Arc::new(fs.clone()));
        let (watched, ends) = (
            fs.clone(),
            fault.is_some_and(|(_, fault)| ends_the_world(fault)),
        );
        let registry = site.registry_while(move || !(ends && watched.struck()));
        protocol(&registry, &place, &mut promised);
        drop(place);
        site.dead.lock().unwrap().push(2);
        (site, promised, fs)
    };
    let (_, _, fs) = run(None);
    let count = fs.count();
    assert!(count > 1);
    for n in 2..=count {
        for fault in FAULTS {
            let (site, promised, fs) = run(Some((n, fault)));
            let when = format!("{fault:?} at {n} of {count}");
            assert!(fs.struck(), "{when}");
            check(&site, &promised, &when);
            if !ends_the_world(fault) {
                // Who was told that nothing is registered can rely on it.
                let ran = site.ran();
                assert!(
                    ran.iter().all(|word| promised.contains(word)),
                    "{when}: {ran:?}"
                );
            }
        }
    }
}

/// What the next process finds: every promise is kept, at most one twice, and nothing is left behind.
fn check(site: &Site, promised: &Promised, when: &str) {
    let next = site.manager(3);
    let report = next.run_orphans().unwrap();
    assert_eq!(report.troubles, [""; 0], "{when}");
    next.close().unwrap();
    let ran = site.ran();
    for word in promised {
        assert!(ran.contains(word), "{when}: {word} of {ran:?}");
    }
    let mut once = ran.clone();
    once.sort_unstable();
    once.dedup();
    assert!(ran.len() <= once.len() + 1, "{when}: {ran:?}");
    // For the same reason as below an unfinished file may be locked for a moment, and is left to the next sweep.
    let is_swept = || {
        let unfinished = |name: &String| name.ends_with(".tmp");
        let is_swept = !site.state_files().iter().any(unfinished);
        is_swept || site.manager(3).run_orphans().is_err()
    };
    assert!((0..10_000).any(|_| is_swept()), "{when}");
    assert_eq!(site.state_files(), [""; 0], "{when}");
    assert_eq!(site.names("quarantine"), [""; 0], "{when}");
    let listing = list(&site.place(4), &site.registry()).unwrap();
    assert!(listing.dead.is_empty(), "{when}");
    // A process that is dead here cannot unlock; tests beside this one fork, and their children have its files open for
    // a moment.
    let clean = || clean(&site.place(4), &site.registry(), &Config::default()).unwrap();
    assert!((0..10_000).any(|_| clean().removed), "{when}");
}

fn nothing(_: &Site) -> Promised {
    Promised::new()
}

fn work(registry: &Registry, place: &Place, promised: &mut Promised) {
    work_as(Config::default(), registry, place, promised);
}

fn work_as(config: Config, registry: &Registry, place: &Place, promised: &mut Promised) {
    let Ok(manager) = Manager::open(place, registry.clone(), config) else {
        return;
    };
    if let Ok(scope) = manager.scope() {
        for word in ["a", "b", "c"] {
            if scope.defer("say", word).is_ok() {
                promised.push(word.to_owned());
            }
        }
        scope.end();
    }
}

#[test]
fn opening_deferring_running_and_leaving() {
    at_every_operation(nothing, work);
}

#[test]
fn the_same_with_every_line_on_the_disk() {
    at_every_operation(nothing, |registry, place, promised| {
        let config = Config {
            durability: Durability::Power,
            order: Order::LastIn,
            ..Config::default()
        };
        work_as(config, registry, place, promised);
    });
}

#[test]
fn dying_with_everything_pending() {
    at_every_operation(nothing, |registry, place, promised| {
        let opened = Manager::open(place, registry.clone(), Config::default());
        let Ok(manager) = opened else { return };
        if let Ok(scope) = manager.scope() {
            for word in ["a", "b"] {
                if scope.defer("say", word).is_ok() {
                    promised.push(word.to_owned());
                }
            }
            super::die(scope, manager);
        }
    });
}

#[test]
fn where_there_are_no_unnamed_files() {
    let poor: Arc<dyn Fs> = Arc::new(Poor { can_remove: true });
    at_every_operation_on(&poor, nothing, work);
    at_every_operation_on(&poor, orphans, |registry, place, promised| {
        let config = Config {
            durability: Durability::Power,
            ..Config::default()
        };
        work_as(config, registry, place, promised);
    });
}

fn orphans(site: &Site) -> Promised {
    site.leave(1, &["orphan 1", "orphan 2", "orphan 3"]);
    ["orphan 1", "orphan 2", "orphan 3"]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn taking_over() {
    at_every_operation(orphans, work);
}

#[test]
fn cleaning() {
    at_every_operation(orphans, |registry, place, _| {
        let _cleaned_or_not = clean(place, registry, &Config::default());
    });
}

#[test]
fn taking_over_a_file_that_cannot_be_removed_does_not_loop() {
    let site = Site::new();
    site.leave(1, &["once"]);
    let fs = Arc::new(Poor { can_remove: false });
    let manager = {
        let place = site.place_over(2, fs);
        Manager::open(&place, site.registry(), Config::default()).unwrap()
    };
    let first = manager.run_orphans().unwrap();
    assert_eq!((first.done, first.taken, first.troubles.len()), (1, 1, 1));
    for _ in 0..3 {
        let again = manager.run_orphans().unwrap();
        assert_eq!((again.done, again.taken, again.troubles.len()), (0, 0, 0));
    }
    assert_eq!(site.ran(), ["once"]);
    assert_eq!(site.state_files().len(), 2);
    drop(manager);
    let report = site.manager(3).run_orphans().unwrap();
    assert_eq!(report.done, 0);
    assert_eq!(site.ran(), ["once"]);
}
