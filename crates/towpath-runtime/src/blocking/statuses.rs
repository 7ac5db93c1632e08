//! Reading statuses, waiting for them, listening to them.

use std::time::Duration;

use serde_json::Value;
use towpath_core::store::Finding;
use towpath_core::{MessageId, Result, Status};

use super::bridge::Bridge;
use crate::StatusUpdate;

/// Reads the statuses of messages and waits for them: [`crate::Statuses`] for plain threads.
///
/// Made by [`Broker::statuses`](super::Broker::statuses). Every method fails as the async one does,
/// and with [`Kind::Unsupported`](towpath_core::Kind::Unsupported) on a thread of an async runtime.
#[derive(Debug, Clone)]
pub struct Statuses {
    inner: crate::Statuses,
    bridge: Bridge,
}

impl Statuses {
    pub(super) fn new(inner: crate::Statuses, bridge: Bridge) -> Self {
        Self { inner, bridge }
    }

    /// Returns the status of a message; [`Status::Unknown`] when the store has no record of it.
    ///
    /// # Errors
    ///
    /// As [`crate::Statuses::get`].
    pub fn get(&self, id: MessageId) -> Result<Status> {
        self.bridge.run(self.inner.get(id))
    }

    /// Tells whether the store has a record of a message, in any state.
    ///
    /// # Errors
    ///
    /// As [`crate::Statuses::exists`].
    pub fn exists(&self, id: MessageId) -> Result<bool> {
        self.bridge.run(self.inner.exists(id))
    }

    /// Waits until a message has one of the `wanted` statuses, and answers which.
    ///
    /// # Errors
    ///
    /// As [`crate::Statuses::wait_for`].
    pub fn wait_for(&self, id: MessageId, wanted: &[Status], timeout: Duration) -> Result<Status> {
        self.bridge.run(self.inner.wait_for(id, wanted, timeout))
    }

    /// Tells the present status of a message, then every change that is seen; see
    /// [`crate::Statuses::listen`].
    pub fn listen(&self, id: MessageId, until_terminal: bool) -> Updates {
        Updates {
            inner: self.inner.listen(id, until_terminal),
            bridge: self.bridge.clone(),
        }
    }

    /// Returns what the handler of a message last said of its progress.
    ///
    /// # Errors
    ///
    /// As [`crate::Statuses::details`].
    pub fn details(&self, id: MessageId) -> Result<Option<Value>> {
        self.bridge.run(self.inner.details(id))
    }

    /// Deletes the record of a message that has ended, with its result.
    ///
    /// # Errors
    ///
    /// As [`crate::Statuses::forget`].
    pub fn forget(&self, id: MessageId) -> Result<()> {
        self.bridge.run(self.inner.forget(id))
    }

    /// Looks at every message of the store for records that nothing leads to any more, mends them,
    /// and answers what it mended.
    ///
    /// # Errors
    ///
    /// As [`crate::Statuses::scan`].
    pub fn scan(&self) -> Result<Vec<Finding>> {
        self.bridge.run(self.inner.scan())
    }
}

/// The updates of one message: [`crate::Updates`] for plain threads. Waits for the next one.
#[derive(Debug)]
#[must_use = "iterators do nothing unless consumed"]
pub struct Updates {
    inner: crate::Updates,
    bridge: Bridge,
}

impl Iterator for Updates {
    type Item = Result<StatusUpdate>;

    fn next(&mut self) -> Option<Self::Item> {
        self.bridge
            .run(async { self.inner.next().await.transpose() })
            .transpose()
    }
}
