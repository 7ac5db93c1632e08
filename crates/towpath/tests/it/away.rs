//! The store is away for a while under a live worker: renamed, locked, removed. It recovers by itself.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use towpath::{App, Kind, Status, Submitted, Worker};

use crate::kills::process::{SOON, store_at, until};
use crate::kills::tasks::{Marks, app_on, harmless, until_told};

/// A worker with an attempt that runs, on a store in a directory of its own.
struct Place {
    /// Holds the store's directory, and the marks beside it.
    outer: TempDir,
    app: App,
    worker: Worker,
    running: Submitted<String>,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Place {
    async fn new(lease: Duration) -> Self {
        let outer = tempfile::tempdir().unwrap();
        let directory = outer.path().join("here");
        fs::create_dir(&directory).unwrap();
        let errors: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = errors.clone();
        let store = towpath::open(&store_at(&directory)).unwrap();
        let app = app_on(store, Marks::of(outer.path()))
            .on_error(move |error| heard.lock().unwrap().push(error.to_string()));
        let running = until_told.submit(&app.broker(), ()).await.unwrap();
        let worker = app.worker().lease(lease, lease / 4).start().await.unwrap();
        until("an attempt that runs", async || {
            app.broker().statuses().get(running.id()).await.unwrap() == Status::Running
        })
        .await;
        Self {
            outer,
            app,
            worker,
            running,
            errors,
        }
    }

    fn directory(&self) -> PathBuf {
        self.outer.path().join("here")
    }

    fn tell(&self) {
        Marks::of(self.outer.path()).set("end");
    }

    /// Waits until the worker has told of an error with these words.
    async fn error(&self, about: &str, words: &str) {
        let file = self.directory().join("jobs.db").display().to_string();
        until(words, async || {
            let errors = self.errors.lock().unwrap();
            errors.iter().any(|error| {
                error.starts_with(about) && error.contains(&file) && error.contains(words)
            })
        })
        .await;
    }

    async fn works(&self) {
        let next = harmless.submit(&self.app.broker(), (7,)).await.unwrap();
        assert_eq!(next.result(SOON).await.unwrap(), 7);
    }

    async fn ends_well(self) {
        self.worker.stop().await.unwrap();
        assert_eq!(self.app.store().doctor().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_worker_whose_store_is_renamed_and_put_back_goes_on_with_what_it_held() {
    let place = Place::new(SOON).await;
    let mut waiting = Vec::new();
    place
        .app
        .broker()
        .pause("default".try_into().unwrap())
        .await
        .unwrap();
    for n in 0..20 {
        waiting.push(harmless.submit(&place.app.broker(), (n,)).await.unwrap());
    }
    let aside = place.outer.path().join("aside");
    fs::rename(place.directory(), &aside).unwrap();
    place.tell();
    place
        .error("settling", "is not the file that was opened")
        .await;
    let refused = harmless
        .submit(&place.app.broker(), (1,))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
    assert!(!place.directory().exists());

    fs::rename(&aside, place.directory()).unwrap();
    assert_eq!(place.running.result(SOON).await.unwrap(), "told");
    let broker = place.app.broker();
    let record = broker.get(place.running.id()).await.unwrap().unwrap();
    assert_eq!(
        record.counters.claims, 1,
        "its end was kept until it was heard"
    );
    broker.resume("default".try_into().unwrap()).await.unwrap();
    for (n, message) in (0..).zip(&waiting) {
        assert_eq!(message.result(SOON).await.unwrap(), n);
    }
    place.works().await;
    place.ends_well().await;
}

#[tokio::test]
async fn a_worker_whose_store_is_locked_for_longer_than_its_lease_goes_on_afterwards() {
    let place = Place::new(Duration::from_secs(1)).await;
    let file = place.directory().join("jobs.db");
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = place.app.worker().start().await.unwrap_err();
    assert!(refused.is_transient(), "{refused}");
    // The heartbeat gives up on the lock when the lease has long ended.
    place.error("renewing the lease", "is busy").await;
    place.tell();
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(place.running.result(SOON).await.unwrap(), "told");
    place.works().await;
    place.ends_well().await;
}

#[tokio::test]
async fn a_worker_whose_store_was_removed_works_on_the_one_that_is_made_anew() {
    let place = Place::new(SOON).await;
    fs::remove_dir_all(place.directory()).unwrap();
    let broker = place.app.broker();
    let refused = harmless.submit(&broker, (1,)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
    fs::create_dir(place.directory()).unwrap();
    let elsewhere = towpath::open(&store_at(&place.directory())).unwrap();
    let accepted = harmless
        .submit(&towpath::Broker::new(elsewhere), (3,))
        .await
        .unwrap();
    assert_eq!(accepted.result(SOON).await.unwrap(), 3);
    place.works().await;
    assert!(!broker.exists(place.running.id()).await.unwrap());
    place.tell();
    place.ends_well().await;
}
