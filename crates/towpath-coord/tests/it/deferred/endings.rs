//! The world fails or ends at every operation around functions that fail, that are given up, that nobody knows, and files
//! that are spoilt; then another process comes.

use std::sync::{Arc, Mutex};

use towpath_coord::Place;
use towpath_coord::deferred::{Call, Config, Manager, Registry, list};
use towpath_coord::fs::Disk;
use towpath_coord::fs::faulty::{Fault, Faulty};

use super::Site;
use super::crashes::{FAULTS, ends_the_world};

/// An attempt: the word, its number, and whether it has ended well.
type Attempt = (String, u32, bool);

/// A site, and all attempts that were made there by processes that lived.
struct Theatre {
    site: Site,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    /// The functions and words that were promised.
    promised: Vec<(&'static str, &'static str)>,
    /// Those of which nobody was told whether they are registered.
    asked: Vec<(&'static str, &'static str)>,
}

/// Who knows the function `rare`.
#[derive(Clone, Copy, PartialEq)]
enum Knows {
    Most,
    All,
}

impl Theatre {
    fn new() -> Self {
        Self {
            site: Site::new(),
            attempts: Arc::default(),
            promised: Vec::new(),
            asked: Vec::new(),
        }
    }

    fn registry(
        &self,
        knows: Knows,
        is_alive: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Registry {
        let mut registry = Registry::new();
        let is_alive = Arc::new(is_alive);
        for name in ["say", "fails_once", "fails", "rare"] {
            if name == "rare" && knows == Knows::Most {
                continue;
            }
            let (told, is_alive) = (self.attempts.clone(), is_alive.clone());
            let function = move |call: &Call, word: String| {
                if !is_alive() {
                    return Ok(());
                }
                let mut told = told.lock().unwrap();
                let is_first = told.iter().all(|(said, ..)| *said != word);
                let is_well = name != "fails" && !(name == "fails_once" && is_first);
                told.push((word, call.attempt(), is_well));
                match is_well {
                    true => Ok(()),
                    false => Err("no luck".to_owned()),
                }
            };
            registry.add(name, function).unwrap();
        }
        registry
    }

    fn attempts(&self, word: &str) -> Vec<Attempt> {
        let attempts = self.attempts.lock().unwrap();
        attempts
            .iter()
            .filter(|(said, ..)| said == word)
            .cloned()
            .collect()
    }

    /// Process 1 registers these and dies.
    fn leave(&mut self, functions: &[(&'static str, &'static str)]) {
        let place = self.site.place(1);
        let registry = self.registry(Knows::All, || true);
        let manager = Manager::open(&place, registry, Config::default()).unwrap();
        let scope = manager.scope().unwrap();
        for (name, word) in functions {
            scope.defer(name, *word).unwrap();
        }
        super::die(scope, manager);
        self.promised.extend(functions);
        self.site.dead.lock().unwrap().push(1);
    }

    /// Another process takes over, and has no trouble.
    fn take_over(&self, pid: u32, knows: Knows) {
        let (place, registry) = (self.site.place(pid), self.registry(knows, || true));
        let manager = Manager::open(&place, registry, Config::default()).unwrap();
        let report = manager.run_orphans().unwrap();
        assert_eq!(report.troubles, [""; 0]);
        manager.close().unwrap();
    }
}

type Functions = &'static [(&'static str, &'static str)];

/// Process 2 takes over what there is, registers functions of its own and runs them, with each fault at each operation.
fn at_every_operation(prepare: fn(&mut Theatre), own: Functions, check: fn(&Theatre, &str)) {
    let run = |fault: Option<(u64, Fault)>| {
        let mut theatre = Theatre::new();
        prepare(&mut theatre);
        let fs = Faulty::new(Arc::new(Disk), fault);
        let place = theatre.site.place_over(2, Arc::new(fs.clone()));
        let (watched, ends) = (
            fs.clone(),
            fault.is_some_and(|(_, fault)| ends_the_world(fault)),
        );
        let registry = theatre.registry(Knows::Most, move || !(ends && watched.struck()));
        work(&mut theatre, &place, registry, own);
        theatre.site.dead.lock().unwrap().push(2);
        (theatre, fs)
    };
    let (theatre, fs) = run(None);
    check(&theatre, "without a fault");
    let count = fs.count();
    for n in 2..=count {
        for fault in FAULTS {
            let (theatre, fs) = run(Some((n, fault)));
            assert!(fs.struck());
            check(&theatre, &format!("{fault:?} at {n} of {count}"));
        }
    }
}

fn work(theatre: &mut Theatre, place: &Place, registry: Registry, own: Functions) {
    let Ok(manager) = Manager::open(place, registry, Config::default()) else {
        return;
    };
    if let Ok(scope) = manager.scope() {
        for (name, word) in own {
            match scope.defer(name, *word) {
                Ok(()) => theatre.promised.push((name, word)),
                Err(_) => theatre.asked.push((name, word)),
            }
        }
        scope.end();
    }
}

/// What holds of all functions that were promised, once those that know them have gone through.
fn check_promises(theatre: &Theatre, when: &str) {
    let most = Config::default().attempts_max;
    let dead = list(&theatre.site.place(9), &Registry::new()).unwrap().dead;
    let mut once_more = 0;
    for (name, word) in &theatre.promised {
        let attempts = theatre.attempts(word);
        let well = attempts.iter().filter(|(.., is_well)| *is_well).count();
        let letters: Vec<_> = dead.iter().filter(|dead| dead.arguments == *word).collect();
        let when = format!("{when}: {name} {word}: {attempts:?}, {letters:?}");
        // One death, or one line that is missing, is one attempt that nobody knows of.
        assert!(attempts.len() <= most as usize + 1, "{when}");
        assert!(
            attempts.iter().all(|(_, number, _)| *number <= most),
            "{when}"
        );
        if *name == "fails" {
            assert!(!attempts.is_empty(), "{when}");
            assert_eq!(letters.len(), 1, "{when}");
            let letter = letters[0];
            assert_eq!(
                (letter.name.as_str(), letter.attempts),
                (*name, most),
                "{when}"
            );
            assert_eq!(letter.error, "no luck", "{when}");
        } else {
            assert!(well >= 1 && letters.is_empty(), "{when}");
            once_more += well - 1;
        }
    }
    assert!(
        once_more <= 1,
        "{when}: {:?}",
        theatre.attempts.lock().unwrap()
    );
    // One that was written down without a word of it may have been given up too.
    let letters = |word: &str| dead.iter().filter(|dead| dead.arguments == word).count();
    let asked = theatre.asked.iter().filter(|(name, _)| *name == "fails");
    let unsaid: usize = asked.map(|(_, word)| letters(word).min(1)).sum();
    let promised = theatre.promised.iter().filter(|(name, _)| *name == "fails");
    let expected = promised.count() + unsaid;
    assert_eq!(dead.len(), expected, "{when}: {dead:?}");
    // Nothing begun lies beside the letters either.
    let names = std::fs::read_dir(theatre.site.directory.path().join("deferred/dead"));
    assert_eq!(names.into_iter().flatten().count(), expected, "{when}");
    assert_eq!(theatre.site.state_files(), [""; 0], "{when}");
}

fn nothing(_: &mut Theatre) {}

fn taken_over(theatre: &Theatre, when: &str) {
    theatre.take_over(3, Knows::Most);
    check_promises(theatre, when);
    assert_eq!(theatre.site.names("quarantine"), [""; 0], "{when}");
}

const FLAKY: Functions = &[("say", "a"), ("fails_once", "b"), ("say", "c")];

#[test]
fn one_that_fails_once_is_run_until_it_has_ended_well() {
    at_every_operation(nothing, FLAKY, taken_over);
    at_every_operation(|theatre| theatre.leave(FLAKY), &[], taken_over);
}

const HOPELESS: Functions = &[("fails", "a"), ("say", "b"), ("fails", "c")];

#[test]
fn one_that_always_fails_has_one_letter() {
    at_every_operation(nothing, HOPELESS, taken_over);
    at_every_operation(|theatre| theatre.leave(HOPELESS), &[], taken_over);
}

#[test]
fn one_that_nobody_knows_is_left_to_who_does() {
    let leave = |theatre: &mut Theatre| {
        theatre.leave(&[("say", "a"), ("rare", "b"), ("fails_once", "c")]);
    };
    at_every_operation(leave, &[("say", "own")], |theatre, when| {
        theatre.take_over(3, Knows::Most);
        assert!(theatre.attempts("b").is_empty(), "{when}");
        let registry = theatre.registry(Knows::Most, || true);
        let files = list(&theatre.site.place(9), &registry).unwrap().files;
        assert_eq!(files.len(), 1, "{when}: {files:?}");
        assert_eq!(
            (files[0].pending, &*files[0].parked),
            (1, &["rare".to_owned()][..]),
            "{when}"
        );
        theatre.take_over(4, Knows::All);
        check_promises(theatre, when);
    });
}

/// A bit of the line of `b` is another by now.
fn leave_spoilt(theatre: &mut Theatre) {
    theatre.leave(&[("say", "a"), ("say", "b"), ("fails_once", "c")]);
    theatre.site.spoil(b"\"b\"");
    theatre.promised.retain(|(_, word)| *word != "b");
}

#[test]
fn a_spoilt_file_is_drained_and_kept_apart_whole() {
    at_every_operation(leave_spoilt, &[("say", "own")], |theatre, when| {
        theatre.take_over(3, Knows::Most);
        check_promises(theatre, when);
        let kept = theatre.site.names("quarantine");
        assert_eq!(kept.len(), 1, "{when}: {kept:?}");
        let path = theatre
            .site
            .directory
            .path()
            .join("deferred/quarantine")
            .join(&kept[0]);
        let kept = std::fs::read_to_string(path).unwrap();
        // All that was promised is there to be looked at.
        for word in ["\"a\"", "\"c\""] {
            assert!(kept.contains(word), "{when}: {kept}");
        }
        let before = theatre.attempts.lock().unwrap().len();
        theatre.take_over(4, Knows::All);
        assert_eq!(theatre.attempts.lock().unwrap().len(), before, "{when}");
    });
}
