//! A directory with one store in it, in memory where the system has such a place.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use towpath_core::{ManualClock, Store, StoreUrl, Timestamp};
use towpath_stores::sqlite::SqliteStore;

use crate::PATIENCE;

/// When every run begins.
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A directory for one store.
pub struct Place {
    directory: TempDir,
    /// The clock of every store that is opened here.
    pub clock: Arc<ManualClock>,
}

impl Place {
    /// An empty place.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let directory = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self {
            directory: directory.expect("a directory for the store"),
            clock: Arc::new(ManualClock::new(START)),
        }
    }

    /// A file in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The store in the file `jobs.db`. Nothing is opened yet.
    pub fn store(&self) -> SqliteStore {
        let path = self.path("jobs.db");
        let url = StoreUrl::sqlite(path.to_str().expect("a path in UTF-8"));
        SqliteStore::open(&url, self.clock.clone()).expect("the URL is of an SQLite store")
    }

    /// Closes a store, and waits until its threads have ended.
    pub async fn close(&self, store: SqliteStore) {
        let closed = tokio::time::timeout(PATIENCE, store.close()).await;
        if let Err(error) = closed.expect("closing ends") {
            crate::check_error(&error);
        }
    }
}

/// Runs a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime on this thread").block_on(future)
}
