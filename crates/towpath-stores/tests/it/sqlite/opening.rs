//! Opening: what is refused, with which words, and what several openers do to each other.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use towpath_core::store::{LockRequest, Locked};
use towpath_core::{Kind, StoreUrl};
use towpath_stores::conformance::Worker;
use towpath_stores::sqlite::SqliteStore;

use super::place::{Place, submit};

/// What the first verb says of a store that cannot be opened.
async fn refusal(place: &Place, url: &StoreUrl) -> (Kind, String) {
    let error = place.store_of(url).counts().await.unwrap_err();
    assert!(error.to_string().contains(&url.to_string()), "{error}");
    let keeper = place
        .store_of(url)
        .lease_keeper()
        .err()
        .expect("refused too");
    assert_eq!(keeper.to_string(), error.to_string());
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn opening_is_lazy_and_the_first_error_names_the_url_and_the_way_out() {
    let place = Place::new();
    let directory = place.directory.path().join("later");
    let url = StoreUrl::sqlite(directory.join("jobs.db").to_str().unwrap());
    let store = place.store_of(&url);
    let error = store.submit(Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    let text = error.to_string();
    assert!(text.starts_with(&url.to_string()), "{text}");
    let expected = format!(
        "the directory {} does not exist; create it",
        directory.display()
    );
    assert!(text.ends_with(&expected), "{text}");

    fs::create_dir(&directory).unwrap();
    submit(&*store, 1).await;
}

#[tokio::test]
async fn only_an_sqlite_url_is_taken() {
    let place = Place::new();
    let error = SqliteStore::open(&StoreUrl::memory(), place.clock).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[tokio::test]
async fn a_path_that_names_no_file_is_refused() {
    for path in ["", "a\0b"] {
        let place = Place::new();
        // SQLite itself takes an empty name for that of a file that is gone once it is closed.
        let error = SqliteStore::open(&StoreUrl::sqlite(path), place.clock).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains("names no file"), "{error}");
    }
}

#[tokio::test]
async fn a_directory_is_not_a_store() {
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    let (kind, text) = refusal(&place, &place.url()).await;
    assert_eq!(kind, Kind::Storage);
    assert!(
        text.ends_with("is a directory; name a file in it"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::new();
    let content = "a letter to a friend ".repeat(100);
    fs::write(place.path(), &content).unwrap();
    let (kind, text) = refusal(&place, &place.url()).await;
    assert_eq!(kind, Kind::Incompatible);
    assert!(text.contains("is not an SQLite database"), "{text}");
    assert_eq!(fs::read_to_string(place.path()).unwrap(), content);
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let place = Place::new();
    for (sql, journal) in [
        ("CREATE TABLE mine (x)", "delete"),
        ("PRAGMA application_id = 7", "delete"),
        (
            "PRAGMA application_id = 0; PRAGMA user_version = 3",
            "delete",
        ),
    ] {
        let _fresh = fs::remove_file(place.path());
        place.raw().execute_batch(sql).unwrap();
        let (kind, text) = refusal(&place, &place.url()).await;
        assert_eq!(kind, Kind::Incompatible, "{sql}");
        assert!(
            text.contains("a database of another program"),
            "{sql}: {text}"
        );
        let mode: String = place
            .raw()
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, journal, "{sql}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let place = Place::new();
    place.store().counts().await.unwrap();
    place
        .raw()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    let (kind, text) = refusal(&place, &place.url()).await;
    assert_eq!(kind, Kind::Incompatible);
    assert!(text.contains("the store has schema 99"), "{text}");
    assert!(text.contains("use the newer program"), "{text}");
}

#[tokio::test]
async fn a_corrupt_file_is_told_as_such() {
    let place = Place::new();
    let store = place.store();
    submit(&*store, 2_000).await;
    store.close().await.unwrap();
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(place.path())
        .unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in 2..pages {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xa5; 512]).unwrap();
    }
    drop(file);

    let error = place
        .store()
        .submit(vec![super::place::draft("t")])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Storage, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("corrupt") && text.contains("restore a backup"),
        "{text}"
    );
}

#[tokio::test]
async fn the_schema_says_whose_it_is_and_which() {
    let place = Place::new();
    place.store().counts().await.unwrap();
    assert_eq!(place.number("PRAGMA application_id"), 0x546f_7750);
    assert_eq!(place.number("PRAGMA user_version"), 2);
}

#[tokio::test]
async fn a_store_of_the_first_schema_is_brought_up_to_date_with_all_it_has() {
    let place = Place::new();
    place
        .raw()
        .execute_batch("PRAGMA journal_mode = WAL")
        .unwrap();
    place
        .raw()
        .execute_batch(concat!(
            include_str!("../../../src/sqlite/migrations/0001-first.sql"),
            "PRAGMA application_id = 0x546f7750; PRAGMA user_version = 1;
             INSERT INTO namespace (name) VALUES ('towpath');
             INSERT INTO line (ns, queue, task, live) VALUES (1, 'default', 't', 1);
             INSERT INTO message (n, id, line, scheduled, priority, due, submitted, payload)
               VALUES (1, x'0195f5c07f3e70008000000000000001', 1, 0, 0, 1, 1, x'5b5d');
             INSERT INTO ready (line, priority, due, n) VALUES (1, 0, 1, 1);"
        ))
        .unwrap();
    let store = place.store();
    let worker = Worker::join(store.clone()).await;
    let message = worker.claim_one().await;
    assert_eq!(
        message.id.to_string(),
        "0195f5c0-7f3e-7000-8000-000000000001"
    );
    let request = LockRequest {
        name: "l".try_into().unwrap(),
        owner: "o".try_into().unwrap(),
        ttl: None,
    };
    let taken = store.locks().lock(request).await.unwrap();
    assert!(matches!(taken, Locked::Taken(_)));
    assert_eq!(store.doctor().await.unwrap(), []);
    assert_eq!(place.number("PRAGMA user_version"), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_a_store_that_we_make() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.store();
    submit(&*store, 1).await;
    store
        .join(
            super::workers::card(towpath_core::IncarnationId::new()),
            std::time::Duration::from_secs(10),
        )
        .await
        .unwrap();
    let mode = |suffix: &str| {
        let path = format!("{}{suffix}", place.path().display());
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o600);
    assert_eq!(mode("-wal"), 0o600);
    assert_eq!(mode(".doorbell"), 0o600);
    assert_eq!(mode(".workers"), 0o700);
    let names: Vec<_> = fs::read_dir(place.directory.path())
        .unwrap()
        .flatten()
        .collect();
    let left_over = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains(".new-");
    assert!(!names.iter().any(left_over), "{names:?}");
}

#[tokio::test]
async fn a_name_that_means_something_to_sqlite_is_a_name() {
    let place = Place::new();
    for name in [":memory:", "file:x?mode=memory", "ünï code %20#.db"] {
        let path = place.directory.path().join(name);
        let url = StoreUrl::sqlite(path.to_str().unwrap());
        let store = place.store_of(&url);
        submit(&*store, 1).await;
        assert_eq!(
            place.store_of(&url).counts().await.unwrap().ready,
            1,
            "{name}"
        );
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test]
async fn many_may_open_a_new_store_at_once() {
    let place = Place::new();
    let openers: Vec<_> = (0..64).map(|_| place.store()).collect();
    let opened = openers.into_iter().map(|store| {
        tokio::spawn(async move {
            submit(&*store, 1).await;
            store.close().await.unwrap();
        })
    });
    for opened in opened.collect::<Vec<_>>() {
        opened.await.unwrap();
    }
    assert_eq!(place.store().counts().await.unwrap().ready, 64);
}

#[tokio::test]
async fn what_was_accepted_outlives_a_store_that_is_dropped() {
    let place = Place::new();
    let store = place.store();
    submit(&*store, 3).await;
    drop(store);
    assert_eq!(place.store().counts().await.unwrap().ready, 3);
}

#[tokio::test]
async fn after_its_end_every_verb_says_that_it_was_closed() {
    let place = Place::new();
    let store = place.store();
    let mut keeper = store.lease_keeper().unwrap();
    submit(&*store, 1).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let kinds = [
        store.submit(Vec::new()).await.unwrap_err().kind(),
        store.counts().await.unwrap_err().kind(),
        store.now().await.unwrap_err().kind(),
        store.doctor().await.unwrap_err().kind(),
        store.lease_keeper().err().unwrap().kind(),
        keeper
            .extend(towpath_core::store::Extend {
                incarnation: towpath_core::IncarnationId::new(),
                lease: std::time::Duration::from_secs(10),
                started: &[],
            })
            .unwrap_err()
            .kind(),
    ];
    assert_eq!(kinds, [Kind::Stopped; 6]);
    let log = format!("{}-wal", place.path().display());
    assert!(
        fs::metadata(log).map_or(0, |found| found.len()) > 0,
        "the keeper has it open"
    );
    drop(keeper);
}

#[tokio::test]
async fn a_store_that_was_closed_by_all_is_one_file_with_everything_in_it() {
    let place = Place::new();
    let store = place.store();
    submit(&*store, 10).await;
    store.counts().await.unwrap();
    store.close().await.unwrap();
    assert!(!fs::exists(format!("{}-wal", place.path().display())).unwrap());
    assert_eq!(place.number("SELECT COUNT(*) FROM message"), 10);
}
