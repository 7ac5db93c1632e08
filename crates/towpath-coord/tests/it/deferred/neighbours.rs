//! What else may be in the directory, and who else may be about to take over.

use towpath_coord::deferred::{Report, list};
use towpath_coord::fs::{Disk, Fs as _, Lock, Open};
use towpath_coord::journal::JOURNAL_MAX;

use super::{Site, die};

#[test]
fn what_is_no_state_file_stops_nobody() {
    let site = Site::new();
    site.leave(1, &["a"]);
    let directory = site.directory.path().join("deferred");
    let outside = site.directory.path().join("outside");
    std::fs::write(&outside, "theirs").unwrap();
    std::os::unix::fs::symlink(&outside, directory.join("func-link")).unwrap();
    std::fs::create_dir(directory.join("func-directory")).unwrap();
    std::fs::write(directory.join("func-empty"), "").unwrap();
    std::fs::write(directory.join("func-garbage"), [b'\n', 0xff, b'\n', 0]).unwrap();
    let long = std::fs::File::create(directory.join("func-long")).unwrap();
    long.set_len(JOURNAL_MAX as u64 + 1).unwrap();
    let manager = site.manager(2);
    let scope = manager.scope().unwrap();
    assert_eq!((scope.orphans().done, scope.orphans().quarantined), (1, 2));
    scope.defer("say", "b").unwrap();
    assert_eq!(scope.end().done, 1);
    assert_eq!(site.ran(), ["a", "b"]);
    assert_eq!(std::fs::read(&outside).unwrap(), b"theirs");
    let mut quarantined = site.names("quarantine");
    quarantined.sort_unstable();
    assert_eq!(quarantined, ["func-garbage", "func-long"]);
    std::fs::create_dir_all(directory.join("dead/func-directory.json")).unwrap();
    let listed = list(&site.place(3), &site.registry()).unwrap();
    assert_eq!((listed.files.len(), listed.dead.len()), (1, 0), "our own");
    assert!(!directory.join("func-empty").exists());
}

#[test]
fn who_stops_while_it_is_his_turn_is_waited_for_once() {
    let site = Site::new();
    let begin = |pid, word| {
        let manager = site.manager(pid);
        let scope = manager.scope().unwrap();
        scope.defer("say", word).unwrap();
        (manager, scope)
    };
    for (manager, scope) in [begin(1, "a"), begin(2, "b")] {
        die(scope, manager);
    }
    site.dead.lock().unwrap().extend([1, 2]);
    let manager = site.manager(3);
    let turn = site.directory.path().join("deferred/.take");
    let turn = Disk.open(&turn, Open::Create).unwrap();
    assert!(turn.try_lock(Lock::Exclusive).unwrap());
    let report = manager.run_orphans().unwrap();
    assert_eq!((report.taken, report.troubles.len()), (0, 1), "{report:?}");
    assert!(report.troubles[0].contains("does not go on"), "{report:?}");
    turn.unlock().unwrap();
    let report = manager.run_orphans().unwrap();
    assert_eq!((report.taken, report.troubles.len()), (2, 0), "{report:?}");
    let mut ran = site.ran();
    ran.sort_unstable();
    assert_eq!(ran, ["a", "b"]);
}

#[test]
fn an_unfinished_file_is_removed_unless_somebody_finishes_it() {
    let site = Site::new();
    let manager = site.manager(1);
    let directory = site.directory.path().join("deferred");
    let (left, held) = (directory.join("func1.tmp"), directory.join("func2.tmp"));
    std::fs::write(&left, "").unwrap();
    let file = Disk.open(&held, Open::CreateNew).unwrap();
    assert!(file.try_lock(Lock::Exclusive).unwrap());
    assert_eq!(manager.run_orphans().unwrap(), Report::default());
    assert!(!left.exists() && held.exists());
}
