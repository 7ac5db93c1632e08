//! A store where this user may not write: told clearly, and nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use towpath::Broker;

use crate::kills::process::{LONG, Process, say, store_at};
use crate::kills::tasks::{app, harmless};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_directory_that_may_not_be_written_is_named_and_left_as_it_is() {
    let outer = tempfile::tempdir().unwrap();
    set_mode(outer.path(), 0o755);
    let directory = outer.path().join("locked");
    fs::create_dir(&directory).unwrap();
    set_mode(&directory, 0o555);
    // A process without the rights of root, which no permission binds.
    let mut child = Process::start("be refused", &store_at(&directory), LONG);
    let error = child.until_said("refused ");
    assert!(child.wait().success());
    assert!(error.starts_with("storage "), "{error}");
    let expected = format!(
        "directory {} exists and may be written",
        directory.display()
    );
    assert!(error.contains(&expected), "{error}");
    assert!(names(&directory).is_empty(), "{:?}", names(&directory));
    set_mode(&directory, 0o755);
}

#[tokio::test]
async fn a_store_that_may_only_be_read_is_refused_and_left_as_it_is() {
    let outer = tempfile::tempdir().unwrap();
    set_mode(outer.path(), 0o755);
    let directory = outer.path().join("locked");
    fs::create_dir(&directory).unwrap();
    let store = store_at(&directory);
    let app = app(&store);
    harmless.submit(&app.broker(), (1,)).await.unwrap();
    app.store().close().await.unwrap();
    let file = directory.join("jobs.db");
    set_mode(&file, 0o444);
    set_mode(&directory, 0o555);
    let before = (names(&directory), fs::read(&file).unwrap());

    let mut child = Process::start("be refused", &store, LONG);
    let error = child.until_said("refused ");
    assert!(child.wait().success());
    assert!(error.starts_with("storage "), "{error}");
    assert!(error.contains(&file.display().to_string()), "{error}");
    assert!(
        error.contains("may be written") || error.contains("cannot be written"),
        "{error}"
    );
    assert_eq!(before, (names(&directory), fs::read(&file).unwrap()));
    set_mode(&directory, 0o755);
}

/// What the child does: tells why the store cannot be used by a user who is nobody in particular.
pub(crate) async fn be_refused(store: &str) {
    if rustix::process::geteuid().is_root() {
        become_nobody();
    }
    let broker = Broker::new(towpath::open(store).unwrap());
    let error = harmless.submit(&broker, (1,)).await.unwrap_err();
    say(&format!("refused {} {error}", error.kind().as_str()));
}

/// Takes the rights of root from this thread, and so from all that it starts. Not from the process when
/// it is started: that user may not even reach this program.
fn become_nobody() {
    let (uid, gid) = (Uid::from_raw(65_534), Gid::from_raw(65_534));
    set_thread_groups(&[]).unwrap();
    set_thread_res_gid(gid, gid, gid).unwrap();
    set_thread_res_uid(uid, uid, uid).unwrap();
}
