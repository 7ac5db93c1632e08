//! Several real processes on one file: they wake each other, and the death of one is seen at once.
//!
//! A child is this test program again, told by a variable what to play; without the variable its test
//! does nothing.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::Topic;
use towpath_core::{IncarnationId, Store, StoreUrl, SystemClock, limits};
use towpath_stores::conformance::Worker;
use towpath_stores::sqlite::SqliteStore;

use super::place::{Place, every_t, submit};
use super::workers::card;

const ROLE: &str = "TOWPATH_TEST_ROLE";
const URL: &str = "TOWPATH_TEST_URL";

fn open(url: &StoreUrl) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(url, Arc::new(SystemClock::new())).unwrap())
}

/// What the children do.
#[tokio::test]
async fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let store = open(&std::env::var(URL).unwrap().parse().unwrap());
    match role.as_str() {
        "submit" => {
            submit(&*store, 1).await;
            store.close().await.unwrap();
        }
        "hold" => {
            let worker = IncarnationId::new();
            store.join(card(worker), limits::LEASE).await.unwrap();
            let worker = Worker {
                store,
                incarnation: worker,
            };
            let held = worker.claim(10, every_t()).await.len();
            say(&format!("holding {held}"));
            std::future::pending::<()>().await;
        }
        other => panic!("no role {other:?}"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "child: {line}").unwrap();
    out.flush().unwrap();
}

fn play(role: &str, url: &StoreUrl) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::processes::child", "--nocapture"])
        .env(ROLE, role)
        .env(URL, url.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the child has said that, or has ended without.
fn heard(child: &mut Child, line: &str) {
    let out = BufReader::new(child.stdout.take().unwrap());
    let expected = format!("child: {line}");
    let mut said = out.lines().map(Result::unwrap);
    assert!(
        said.any(|said| said.ends_with(&expected)),
        "{line:?} was not said"
    );
}

#[tokio::test]
async fn sixty_four_processes_may_open_a_new_store_at_once() {
    let place = Place::new();
    let children: Vec<Child> = (0..64).map(|_| play("submit", &place.url())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = open(&place.url());
    assert_eq!(store.counts().await.unwrap().ready, 64);
    assert_eq!(store.doctor().await.unwrap(), []);
    let names = "SELECT COUNT(*) FROM namespace";
    assert_eq!(
        (place.number(names), place.number("PRAGMA user_version")),
        (1, 2)
    );
}

#[tokio::test]
async fn a_submit_in_another_process_wakes_a_waiter_here() {
    let place = Place::new();
    let store = open(&place.url());
    let mut watch = store.watch(Topic::Work);
    assert_eq!(store.counts().await.unwrap().ready, 0);
    let mut child = play("submit", &place.url());
    let woken = tokio::time::timeout(Duration::from_secs(60), async {
        while store.counts().await.unwrap().ready == 0 {
            watch.changed().await;
        }
    });
    woken.await.expect("the ring should have been heard");
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn what_a_killed_process_held_is_rescued_at_once() {
    let place = Place::new();
    let store = open(&place.url());
    submit(&*store, 3).await;
    let mut child = play("hold", &place.url());
    heard(&mut child, "holding 3");
    assert_eq!(store.rescue(10).await.unwrap().workers, 0, "it lives");
    child.kill().unwrap();
    child.wait().unwrap();
    let rescued = store.rescue(10).await.unwrap();
    assert_eq!((rescued.workers, rescued.returned), (1, 3));
    let worker = Worker::join(store).await;
    assert_eq!(worker.claim(10, every_t()).await.len(), 3);
}
