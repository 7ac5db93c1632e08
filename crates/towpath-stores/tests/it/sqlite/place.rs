//! A directory with one store in it, to be opened by handles and behind their backs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Params};
use tempfile::TempDir;
use towpath_core::store::Selection;
use towpath_core::{
    Clock, Draft, ManualClock, MessageId, Payload, QueueName, Store, StoreUrl, TaskName, Timestamp,
};
use towpath_stores::sqlite::SqliteStore;

pub(super) struct Place {
    pub(super) directory: TempDir,
    pub(super) clock: Arc<ManualClock>,
    /// The file, from the directory on.
    file: PathBuf,
}

impl Place {
    pub(super) fn new() -> Self {
        Self::below("")
    }

    /// With the store in a directory that the test makes and takes away.
    pub(super) fn below(directory: &str) -> Self {
        let start = Timestamp::from_millis(1_700_000_000_000);
        Self {
            directory: tempfile::tempdir().expect("a directory for the test"),
            clock: Arc::new(ManualClock::new(start)),
            file: Path::new(directory).join("jobs.db"),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.file)
    }

    pub(super) fn url(&self) -> StoreUrl {
        StoreUrl::sqlite(self.path().to_str().expect("a path in UTF-8"))
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.store_of(&self.url())
    }

    pub(super) fn store_of(&self, url: &StoreUrl) -> Arc<dyn Store> {
        self.store_at(url, self.clock.clone())
    }

    pub(super) fn store_at(&self, url: &StoreUrl, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(url, clock).expect("nothing is opened yet"))
    }

    /// The file as any tool opens it.
    pub(super) fn raw(&self) -> Connection {
        Connection::open(self.path()).expect("the file is a database")
    }

    /// Edits the file by hand.
    pub(super) fn edit(&self, sql: &str, params: impl Params) -> usize {
        self.raw().execute(sql, params).expect("the edit is done")
    }

    pub(super) fn number(&self, sql: &str) -> i64 {
        let number = self.raw().query_row(sql, [], |row| row.get(0));
        number.expect("one number")
    }
}

pub(super) fn draft(task: &str) -> Draft {
    Draft::new(TaskName::new(task).unwrap(), Payload::json("[]"))
}

/// The messages of task `t`, in every queue.
pub(super) fn every_t() -> Selection {
    Selection::Any {
        tasks: vec![TaskName::new("t").unwrap()],
    }
}

pub(super) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// Submits as many messages of task `t`; answers their ids.
pub(super) async fn submit(store: &dyn Store, count: usize) -> Vec<MessageId> {
    let drafts: Vec<Draft> = (0..count).map(|_| draft("t")).collect();
    let ids = drafts.iter().map(|draft| draft.id).collect();
    for answer in store.submit(drafts).await.unwrap() {
        answer.unwrap();
    }
    ids
}
