//! A state directory as attempts use it: many at a time, one after the other, given up, and not fit.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use towpath::deferred::{Config, Registry, StateDir, builtin};
use towpath::files::Network;
use towpath::{AttemptScope, AttemptScopes, CleanedUp, Kind, MessageId, Token};

struct Site {
    directory: TempDir,
    said: Arc<Mutex<Vec<u32>>>,
}

impl Site {
    fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            said: Arc::default(),
        }
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        let said = self.said.clone();
        let say = move |_: &_, number: u32| match number {
            0 => Err("nothing to say"),
            number => {
                said.lock().unwrap().push(number);
                Ok(())
            }
        };
        registry.add("say", say).unwrap();
        registry
    }

    fn open(&self) -> StateDir {
        StateDir::open(self.directory.path().join("state"), self.registry()).unwrap()
    }

    fn said(&self) -> Vec<u32> {
        self.said.lock().unwrap().clone()
    }

    fn files(&self) -> usize {
        let entries = std::fs::read_dir(self.directory.path().join("state/deferred")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("func")).count()
    }
}

fn enter(state: &StateDir) -> Box<dyn AttemptScope> {
    let attempt = Token {
        id: MessageId::new(),
        claims: 1,
    };
    state.enter(attempt).unwrap()
}

#[test]
fn attempts_beside_each_other_have_files_of_their_own_and_later_ones_use_them_again() {
    let site = Site::new();
    let state = site.open();
    assert_eq!(site.files(), 1, "that of the sweeper");
    for round in 0..3 {
        let mut open: Vec<_> = (0..4).map(|_| enter(&state)).collect();
        for (number, scope) in (1..).zip(&mut open) {
            scope.defer("say", json!(round * 10 + number)).unwrap();
            scope.defer("say", json!(100)).unwrap();
        }
        assert_eq!(site.files(), 1 + 4);
        let before = site.said().len();
        for scope in open {
            assert_eq!(scope.leave().done, 2);
        }
        let said = site.said().split_off(before);
        let r = round * 10;
        assert_eq!(said, [r + 1, 100, r + 2, 100, r + 3, 100, r + 4, 100]);
    }
    drop(state);
    assert_eq!(site.files(), 0);
}

#[test]
fn what_fails_is_told_by_name_and_the_next_attempt_has_nothing_of_it() {
    let site = Site::new();
    let state = site.open();
    let mut scope = enter(&state);
    scope.defer("say", json!(0)).unwrap();
    scope.defer("say", json!(7)).unwrap();
    let unknown = scope.defer("unheard of", json!(1)).unwrap_err();
    assert_eq!(unknown.kind(), Kind::Invalid);
    let cleaned = scope.leave();
    let counted = (cleaned.done, cleaned.failed, cleaned.given_up, cleaned.left);
    assert_eq!(counted, (1, 3, 1, 0));
    let last = cleaned.troubles.last().unwrap();
    assert!(last.starts_with("say (func"), "{last}");
    assert!(
        last.ends_with(" failed at attempt 3: nothing to say"),
        "{last}"
    );
    assert_eq!(enter(&state).leave(), CleanedUp::default());
    assert_eq!(site.said(), [7]);
}

#[test]
fn a_scope_that_is_dropped_is_left_to_the_next_sweep_of_anybody() {
    let site = Site::new();
    let (state, peer) = (site.open(), site.open());
    let mut scope = enter(&state);
    scope.defer("say", json!(5)).unwrap();
    assert_eq!(peer.orphans().unwrap(), CleanedUp::default());
    assert_eq!(state.orphans().unwrap(), CleanedUp::default());
    drop(scope);
    assert_eq!(site.said(), [0; 0], "nothing is run by the drop");
    assert_eq!(peer.orphans().unwrap().done, 1);
    assert_eq!(site.said(), [5]);
    assert_eq!(state.orphans().unwrap(), CleanedUp::default());
}

#[test]
fn of_many_who_sweep_at_once_each_returns_when_the_orphans_have_been_run() {
    let site = Site::new();
    let state = site.open();
    for _ in 0..20 {
        let before = site.said().len();
        let mut scope = enter(&state);
        scope.defer("say", json!(1)).unwrap();
        drop(scope);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    state.orphans().unwrap();
                    assert_eq!(site.said().len(), before + 1);
                });
            }
        });
    }
}

#[test]
fn orphans_that_a_peer_is_running_are_waited_for() {
    let directory = TempDir::new().unwrap();
    let (begin, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let (begin, held) = (Mutex::new(begin), Mutex::new(held));
    let mut registry = Registry::new();
    let slow = move |_: &_, (): ()| {
        begin.lock().unwrap().send(()).unwrap();
        let _released = held.lock().unwrap().recv();
        Ok::<(), String>(())
    };
    registry.add("slow", slow).unwrap();
    let open = || StateDir::open(directory.path(), registry.clone()).unwrap();
    let (heir, other) = (open(), open());
    let mut scope = enter(&heir);
    scope.defer("slow", json!(null)).unwrap();
    drop(scope);
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(heir.orphans().unwrap().done, 1));
        begun.recv().unwrap();
        let (tell, told) = mpsc::channel();
        let other = &other;
        threads.spawn(move || tell.send(other.orphans().unwrap()).unwrap());
        // Not before the function has returned, however long one waits for it.
        let early = told.recv_timeout(Duration::from_millis(300));
        assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
        drop(release);
        assert_eq!(told.recv().unwrap(), CleanedUp::default());
    });
}

#[test]
fn the_directory_is_made_for_its_owner_alone_and_one_that_others_may_write_to_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a/b");
    let state = StateDir::open(&path, builtin()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("deferred"))), (0o700, 0o700));
    assert_eq!(state.directory(), path.canonicalize().unwrap());

    let open = directory.path().join("open");
    std::fs::create_dir(&open).unwrap();
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o755).create(open.join("deferred")).unwrap();
    let refused = StateDir::open(&open, builtin()).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = StateDir::open_with(&file, builtin(), Config::default(), Network::Allow);
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage);
    assert!(refused.to_string().contains("file"), "{refused}");
}
