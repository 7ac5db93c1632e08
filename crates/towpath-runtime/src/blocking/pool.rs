//! The results of many messages, as an iterator.

use std::time::Duration;

use serde::de::DeserializeOwned;
use towpath_core::{MessageId, Result};

use super::bridge::Bridge;
use crate::results::ResultStream;

/// The results of many messages, in the given order or as they complete: [`crate::ResultPool`] for
/// plain threads.
///
/// Made by [`Broker::result_pool`](super::Broker::result_pool).
#[derive(Debug, Clone)]
#[must_use = "a pool reads nothing before one of its iterators is"]
pub struct ResultPool {
    inner: crate::ResultPool,
    bridge: Bridge,
}

impl ResultPool {
    pub(super) fn new(inner: crate::ResultPool, bridge: Bridge) -> Self {
        Self { inner, bridge }
    }

    /// Deletes each result from the store in the moment in which it is given; see
    /// [`crate::ResultPool::take_results`].
    pub fn take_results(self) -> Self {
        Self {
            inner: self.inner.take_results(),
            ..self
        }
    }

    /// Lets the whole iterator take that long, from the moment in which it is made; see
    /// [`crate::ResultPool::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            inner: self.inner.timeout(timeout),
            ..self
        }
    }

    /// Iterates over the results in the order in which the ids were given.
    pub fn in_order<T: DeserializeOwned + Send + 'static>(&self) -> ResultIter<T> {
        ResultIter {
            stream: self.inner.in_order(),
            bridge: self.bridge.clone(),
        }
    }

    /// Iterates over the results as they complete.
    pub fn as_completed<T: DeserializeOwned + Send + 'static>(&self) -> ResultIter<T> {
        ResultIter {
            stream: self.inner.as_completed(),
            bridge: self.bridge.clone(),
        }
    }
}

/// The results of a [`ResultPool`], each with the id of its message. Waits for the next one.
///
/// On a thread of an async runtime each message ends its item with
/// [`Kind::Unsupported`](towpath_core::Kind::Unsupported); the results stay in the store.
#[derive(Debug)]
#[must_use = "iterators do nothing unless consumed"]
pub struct ResultIter<T: DeserializeOwned + Send + 'static> {
    stream: ResultStream<T>,
    bridge: Bridge,
}

impl<T: DeserializeOwned + Send + 'static> Iterator for ResultIter<T> {
    type Item = (MessageId, Result<T>);

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.bridge.run(async { Ok(self.stream.next().await) });
        next.unwrap_or_else(|error| self.stream.abandon_next(&error))
    }
}
