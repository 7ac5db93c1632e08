//! Nothing grows without end, and what has no room is not lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use towpath_coord::deferred::{Config, Manager, Registry, Report, list};
use towpath_core::Kind;

use super::{Site, config, die};

#[test]
fn a_function_for_which_there_is_no_room_among_the_dead_stays_in_its_file() {
    let site = Site::new();
    let dead = site.directory.path().join("deferred/dead");
    let mut registry = Registry::new();
    let fails = |_: &_, (): ()| Err("no");
    registry.add("fails", fails).unwrap();
    let config = config(1, Duration::from_secs(60));
    let manager = Manager::open(&site.place(1), registry, config).unwrap();
    std::fs::create_dir(&dead).unwrap();
    let letters = (0..10_000).map(|number| dead.join(format!("func{number}.json")));
    letters.for_each(|path| std::fs::write(path, "{}").unwrap());

    let scope = manager.scope().unwrap();
    scope.defer("fails", &()).unwrap();
    let report = scope.end();
    assert_eq!((report.failed, report.dead), (1, 0));
    assert!(report.troubles[0].contains("10,000"), "{report:?}");
    // It is not tried again, and can be buried once there is room.
    std::fs::remove_file(dead.join("func7.json")).unwrap();
    manager.close().unwrap();
    assert_eq!(site.names("dead").len(), 10_000);
    let listed = list(&site.place(2), &site.registry()).unwrap();
    assert_eq!(listed.files.len(), 0);
    // The others are no letters, and are listed for somebody to look at.
    let (buried, unread): (Vec<_>, Vec<_>) =
        (listed.dead.iter()).partition(|dead| dead.name == "fails");
    assert_eq!((buried.len(), unread.len()), (1, 9_999));
    let one = unread.iter().find(|dead| dead.id == "func8").unwrap();
    assert!(one.error.contains("cannot be read"), "{one:?}");
}

#[test]
fn what_cannot_be_buried_is_taken_once_in_a_run_and_stays() {
    let site = Site::new();
    let mut registry = site.registry();
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let fails = move |_: &_, (): ()| {
        *counted.lock().unwrap() += 1;
        Err::<(), _>("no")
    };
    registry.add("fails", fails).unwrap();
    let config = config(2, Duration::from_secs(60));
    let owner = Manager::open(&site.place(1), registry.clone(), config.clone()).unwrap();
    let scope = owner.scope().unwrap();
    scope.defer("fails", &()).unwrap();
    die(scope, owner);
    site.dead.lock().unwrap().push(1);
    let dead = site.directory.path().join("deferred/dead");
    std::fs::write(&dead, "no directory").unwrap();

    let next = Manager::open(&site.place(2), registry, config).unwrap();
    let report = next.run_orphans().unwrap();
    assert_eq!((report.taken, report.failed, report.parked), (1, 2, 1));
    std::fs::remove_file(&dead).unwrap();
    let report = next.run_orphans().unwrap();
    assert_eq!((report.taken, report.dead, report.parked), (1, 1, 0));
    assert_eq!(*calls.lock().unwrap(), 2);
}

#[test]
fn a_file_that_is_full_of_promises_has_room_for_what_becomes_of_them() {
    // Few large ones, and as many as there can be.
    for largest in [900_000, 1] {
        let site = Site::new();
        let owner = site.manager(1);
        let scope = owner.scope().unwrap();
        let mut promised = Vec::new();
        let mut len = largest;
        let full = loop {
            let word = format!("{}{}", promised.len(), "x".repeat(len));
            match scope.defer("say", &word) {
                Ok(()) => promised.push(word),
                // Down to what there is hardly a line for.
                Err(_) if len > 1 => len /= 2,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), Kind::Storage, "{full}");
        die(scope, owner);
        site.dead.lock().unwrap().push(1);
        let report = site.manager(2).run_orphans().unwrap();
        let expected = Report {
            taken: 1,
            done: promised.len(),
            ..Report::default()
        };
        assert_eq!(report, expected);
        assert!(site.ran() == promised);
    }
}

#[test]
fn arguments_that_could_not_be_read_again_are_refused() {
    let site = Site::new();
    let mut registry = Registry::new();
    let any = |_: &_, _: serde_json::Value| Ok::<(), String>(());
    registry.add("any", any).unwrap();
    let manager = Manager::open(&site.place(1), registry.clone(), Config::default()).unwrap();
    let scope = manager.scope().unwrap();
    let nested =
        |levels| (1..levels).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let deep = scope.defer("any", &nested(101)).unwrap_err();
    assert_eq!(deep.kind(), Kind::Codec, "{deep}");
    scope.defer("any", &nested(100)).unwrap();
    die(scope, manager);
    site.dead.lock().unwrap().push(1);
    let next = Manager::open(&site.place(2), registry, Config::default()).unwrap();
    assert_eq!(next.run_orphans().unwrap().done, 1);
}
