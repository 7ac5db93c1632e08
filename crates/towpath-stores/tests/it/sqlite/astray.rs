//! The file of a store is moved, removed, replaced or migrated under those who have it open: nothing is
//! acknowledged that no name leads to, and what was put back goes on.

use std::fs;
use std::time::Duration;

use towpath_core::store::{Extend, Settle, SettleRequest, Verdict};
use towpath_core::{IncarnationId, Kind, Result, Store, Token, limits};
use towpath_stores::conformance::Worker;

use super::place::{Place, draft, every_t, submit};

/// A store in a directory that can be taken away, below the one of the test.
fn nested() -> Place {
    let place = Place::below("here");
    fs::create_dir(place.path().parent().unwrap()).unwrap();
    place
}

async fn refused(store: &dyn Store) -> towpath_core::Error {
    store.submit(vec![draft("t")]).await.unwrap_err()
}

fn alive(worker: &Worker) -> Extend<'static> {
    Extend {
        incarnation: worker.incarnation,
        lease: limits::LEASE,
        started: &[],
    }
}

/// Gives back what is held: a settle that may be refused as a whole.
async fn release(worker: &Worker, token: Token) -> Result<()> {
    let request = SettleRequest {
        incarnation: worker.incarnation,
        items: vec![Settle {
            token,
            started_at: None,
            verdict: Verdict::Release,
            unlock: Vec::new(),
        }],
        claim: None,
    };
    worker.store.settle(request).await?.items.remove(0)
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_directory_that_was_removed() {
    let place = nested();
    let directory = place.path().parent().unwrap().to_owned();
    let store = place.store();
    submit(&*store, 3).await;
    let worker = Worker::join(store.clone()).await;
    let message = worker.claim_one().await;
    let mut keeper = store.lease_keeper().unwrap();
    let alive = alive(&worker);
    keeper.extend(alive).unwrap();
    assert_eq!(store.counts().await.unwrap().ready, 2);

    fs::remove_dir_all(&directory).unwrap();
    let errors = [
        refused(&*store).await,
        release(&worker, message.token()).await.unwrap_err(),
        store.get(vec![message.id]).await.unwrap_err(),
        keeper.extend(alive).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        assert!(error.is_transient());
        let text = error.to_string();
        let file = place.path().display().to_string();
        assert!(text.contains(&file) && text.contains("removed"), "{text}");
    }

    // Somebody makes the directory again: the same handle begins a new store in it.
    fs::create_dir(&directory).unwrap();
    let elsewhere = place.store();
    submit(&*elsewhere, 1).await;
    submit(&*store, 1).await;
    assert_eq!(elsewhere.counts().await.unwrap().ready, 2);
    assert!(store.get(vec![message.id]).await.unwrap()[0].is_none());
    let gone = keeper.extend(alive).unwrap_err();
    assert_eq!(gone.kind(), Kind::LeaseLost, "the new store knows it not");
    assert_eq!(elsewhere.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_store_that_was_renamed_and_put_back_goes_on_with_everything() {
    let place = nested();
    let directory = place.path().parent().unwrap().to_owned();
    let aside = directory.with_file_name("aside");
    let store = place.store();
    submit(&*store, 2).await;
    let worker = Worker::join(store.clone()).await;
    let message = worker.claim_one().await;
    let mut keeper = store.lease_keeper().unwrap();
    let alive = alive(&worker);
    keeper.extend(alive).unwrap();
    assert_eq!(store.brief(vec![message.id]).await.unwrap().len(), 1);

    fs::rename(&directory, &aside).unwrap();
    assert_eq!(refused(&*store).await.kind(), Kind::Unavailable);
    keeper.extend(alive).unwrap_err();
    store.get(vec![message.id]).await.unwrap_err();
    assert!(!directory.exists(), "nobody made it anew");

    fs::rename(&aside, &directory).unwrap();
    keeper.extend(alive).unwrap();
    let released = release(&worker, message.token()).await;
    released.expect("the lease holds, the message is still held");
    submit(&*store, 1).await;
    assert_eq!(store.counts().await.unwrap().ready, 3);
    assert_eq!(worker.claim(10, every_t()).await.len(), 3);
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_store_that_was_replaced_by_another_is_opened_anew() {
    let place = nested();
    let directory = place.path().parent().unwrap().to_owned();
    let store = place.store();
    submit(&*store, 5).await;
    assert_eq!(store.counts().await.unwrap().ready, 5);
    fs::rename(&directory, directory.with_file_name("aside")).unwrap();
    fs::create_dir(&directory).unwrap();
    submit(&*place.store(), 1).await;
    assert_eq!(refused(&*store).await.kind(), Kind::Unavailable);
    submit(&*store, 1).await;
    assert_eq!(place.store().counts().await.unwrap().ready, 2);
    store.close().await.unwrap();
    assert_eq!(place.store().counts().await.unwrap().ready, 2);
    assert_eq!(place.store().doctor().await.unwrap(), []);
}

#[tokio::test]
async fn a_live_store_writes_nothing_once_a_newer_program_has_migrated_it() {
    let place = Place::new();
    let store = place.store();
    submit(&*store, 2).await;
    let worker = Worker::join(store.clone()).await;
    let message = worker.claim_one().await;
    let mut keeper = store.lease_keeper().unwrap();
    let alive = alive(&worker);
    keeper.extend(alive).unwrap();
    store.get(vec![message.id]).await.unwrap();

    // The migration of tomorrow: another shape, and the number that says so.
    let newer = place.raw();
    newer
        .execute_batch(
            "BEGIN; ALTER TABLE message ADD COLUMN tenant TEXT; PRAGMA user_version = 99; COMMIT",
        )
        .unwrap();
    let content = place.number("SELECT MAX(n) FROM message");
    for _ in 0..2 {
        let errors = [
            refused(&*store).await,
            release(&worker, message.token()).await.unwrap_err(),
            store.get(vec![message.id]).await.unwrap_err(),
            keeper.extend(alive).unwrap_err(),
            store
                .join(
                    super::workers::card(IncarnationId::new()),
                    Duration::from_secs(10),
                )
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), Kind::Incompatible, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("the store has schema 99") && text.contains("restart it"),
                "{text}"
            );
        }
    }
    assert_eq!(place.number("SELECT MAX(n) FROM message"), content);

    // The newer program is taken back before it wrote anything of its own.
    newer
        .execute_batch(
            "BEGIN; ALTER TABLE message DROP COLUMN tenant; PRAGMA user_version = 2; COMMIT",
        )
        .unwrap();
    let released = release(&worker, message.token()).await;
    released.expect("what was held is still held");
    assert_eq!(worker.claim(10, every_t()).await.len(), 2);
}
