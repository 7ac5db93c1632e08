//! Reading results, one message at a time.

use std::time::Duration;

use serde::de::DeserializeOwned;
use towpath_core::{MessageId, Payload, Result};

use super::bridge::Bridge;
use crate::ResultMeta;

/// Reads the results of messages and waits for them: [`crate::Results`] for plain threads.
///
/// Made by [`Broker::results`](super::Broker::results). Every method fails as the async one does,
/// and with [`Kind::Unsupported`](towpath_core::Kind::Unsupported) on a thread of an async runtime.
#[derive(Debug, Clone)]
pub struct Results {
    inner: crate::Results,
    bridge: Bridge,
}

impl Results {
    pub(super) fn new(inner: crate::Results, bridge: Bridge) -> Self {
        Self { inner, bridge }
    }

    /// Waits for the result of a message, and leaves it in the store.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::get`].
    pub fn get<T: DeserializeOwned>(&self, id: MessageId, timeout: Duration) -> Result<T> {
        self.bridge.run(self.inner.get(id, timeout))
    }

    /// As [`get`](Results::get), with the time at which the message succeeded.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::get`].
    pub fn get_with_meta<T: DeserializeOwned>(
        &self,
        id: MessageId,
        timeout: Duration,
    ) -> Result<ResultMeta<T>> {
        self.bridge.run(self.inner.get_with_meta(id, timeout))
    }

    /// As [`get`](Results::get), without decoding.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::get_payload`].
    pub fn get_payload(&self, id: MessageId, timeout: Duration) -> Result<Payload> {
        self.bridge.run(self.inner.get_payload(id, timeout))
    }

    /// Waits for the result of a message, and deletes it from the store.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::take`].
    pub fn take<T: DeserializeOwned>(&self, id: MessageId, timeout: Duration) -> Result<T> {
        self.bridge.run(self.inner.take(id, timeout))
    }

    /// As [`take`](Results::take), with the time at which the message succeeded.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::take`].
    pub fn take_with_meta<T: DeserializeOwned>(
        &self,
        id: MessageId,
        timeout: Duration,
    ) -> Result<ResultMeta<T>> {
        self.bridge.run(self.inner.take_with_meta(id, timeout))
    }

    /// As [`take`](Results::take), without decoding.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::take_payload`].
    pub fn take_payload(&self, id: MessageId, timeout: Duration) -> Result<Payload> {
        self.bridge.run(self.inner.take_payload(id, timeout))
    }

    /// Waits for the results of a message and of its whole chain of callbacks.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::descendants`].
    pub fn descendants<T: DeserializeOwned>(
        &self,
        id: MessageId,
        timeout: Duration,
    ) -> Result<Vec<ResultMeta<T>>> {
        self.bridge.run(self.inner.descendants(id, timeout))
    }

    /// Tells whether the result of a message is there to be read.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::exists`].
    pub fn exists(&self, id: MessageId) -> Result<bool> {
        self.bridge.run(self.inner.exists(id))
    }

    /// Deletes the result of a message, unread; answers whether there was one.
    ///
    /// # Errors
    ///
    /// As [`crate::Results::remove`].
    pub fn remove(&self, id: MessageId) -> Result<bool> {
        self.bridge.run(self.inner.remove(id))
    }
}
