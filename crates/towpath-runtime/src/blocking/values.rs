//! Values by key, sorted sets, channels.

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::Result;
use towpath_core::name::{BucketName, ChannelName, CodecName, Key};
use towpath_core::store::{KeyRecord, Member, Ttl};

use super::bridge::Bridge;
use crate::Lagged;

/// A bucket of values: [`crate::Kv`] for plain threads.
///
/// Made by [`Broker::kv`](super::Broker::kv). Every method fails as the async one does, and with
/// [`Kind::Unsupported`](towpath_core::Kind::Unsupported) on a thread of an async runtime.
///
/// ```
/// use towpath_core::store::Ttl;
/// use towpath_runtime::blocking::Broker;
/// # use std::sync::Arc;
/// # use towpath_core::SystemClock; use towpath_stores::MemoryStore;
/// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// let flags = broker.kv("flags")?;
/// flags.set("beta", &true, Ttl::Never)?;
/// assert_eq!(flags.get("beta")?, Some(true));
/// # Ok::<(), towpath_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Kv {
    inner: crate::Kv,
    bridge: Bridge,
}

impl Kv {
    pub(super) fn new(inner: crate::Kv, bridge: Bridge) -> Self {
        Self { inner, bridge }
    }

    /// Writes values by another codec.
    #[must_use]
    pub fn with_codec(self, codec: CodecName) -> Self {
        Self {
            inner: self.inner.with_codec(codec),
            bridge: self.bridge,
        }
    }

    /// Returns the name of the bucket.
    pub fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }

    /// Keeps a value, in place of one that is there.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::set`].
    pub fn set<T>(&self, key: impl AsRef<str>, value: &T, ttl: Ttl) -> Result<()>
    where
        T: Serialize + ?Sized,
    {
        self.bridge.run(self.inner.set(key, value, ttl))
    }

    /// Keeps a value where there is none; answers whether it did.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::set_if_absent`].
    pub fn set_if_absent<T>(&self, key: impl AsRef<str>, value: &T, ttl: Ttl) -> Result<bool>
    where
        T: Serialize + ?Sized,
    {
        self.bridge.run(self.inner.set_if_absent(key, value, ttl))
    }

    /// Reads a value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::get`].
    pub fn get<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<T>> {
        self.bridge.run(self.inner.get(key))
    }

    /// Tells the size and the expiry of a value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::look`].
    pub fn look(&self, key: impl AsRef<str>) -> Result<Option<KeyRecord>> {
        self.bridge.run(self.inner.look(key))
    }

    /// Tells whether there is a value.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::exists`].
    pub fn exists(&self, key: impl AsRef<str>) -> Result<bool> {
        self.bridge.run(self.inner.exists(key))
    }

    /// Keeps a value for another time; answers whether it was there.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::expire`].
    pub fn expire(&self, key: impl AsRef<str>, ttl: Ttl) -> Result<bool> {
        self.bridge.run(self.inner.expire(key, ttl))
    }

    /// Deletes a value; answers whether it was there.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::delete`].
    pub fn delete(&self, key: impl AsRef<str>) -> Result<bool> {
        self.bridge.run(self.inner.delete(key))
    }

    /// Returns the keys that begin with `prefix`, in order, those after `after`, at most `max` and 500.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::scan`].
    pub fn scan(
        &self,
        prefix: impl Into<String>,
        after: Option<&Key>,
        max: usize,
    ) -> Result<Vec<Key>> {
        self.bridge.run(self.inner.scan(prefix, after, max))
    }

    /// Counts the keys of the bucket.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::count`].
    pub fn count(&self) -> Result<u64> {
        self.bridge.run(self.inner.count())
    }

    /// Deletes all values and sorted sets of the bucket; `confirm` is its name once more.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::clear`].
    pub fn clear(&self, confirm: &str) -> Result<u64> {
        self.bridge.run(self.inner.clear(confirm))
    }

    /// Names a sorted set of the bucket.
    ///
    /// # Errors
    ///
    /// As [`crate::Kv::sorted_set`].
    pub fn sorted_set(&self, name: impl AsRef<str>) -> Result<SortedSet> {
        Ok(SortedSet {
            inner: self.inner.sorted_set(name)?,
            bridge: self.bridge.clone(),
        })
    }
}

/// Names in the order of their scores: [`crate::SortedSet`] for plain threads.
#[derive(Debug, Clone)]
pub struct SortedSet {
    inner: crate::SortedSet,
    bridge: Bridge,
}

impl SortedSet {
    /// Puts a member into the set, or gives it another score; answers whether it is new.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::add`].
    pub fn add(&self, member: impl AsRef<str>, score: f64) -> Result<bool> {
        self.bridge.run(self.inner.add(member, score))
    }

    /// Returns the score of a member; `None` when it is not in the set.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::score`].
    pub fn score(&self, member: impl AsRef<str>) -> Result<Option<f64>> {
        self.bridge.run(self.inner.score(member))
    }

    /// Takes a member out; answers whether it was there.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::remove`].
    pub fn remove(&self, member: impl AsRef<str>) -> Result<bool> {
        self.bridge.run(self.inner.remove(member))
    }

    /// Returns the member of the lowest score, left where it is.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::first`].
    pub fn first(&self) -> Result<Option<Member>> {
        self.bridge.run(self.inner.first())
    }

    /// Returns the members in their order, those after `after`, at most `max` and 500.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::range`].
    pub fn range(&self, after: Option<&Member>, max: usize) -> Result<Vec<Member>> {
        self.bridge.run(self.inner.range(after, max))
    }

    /// Takes the first members out, at most `max` and 500.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::pop`].
    pub fn pop(&self, max: usize) -> Result<Vec<Member>> {
        self.bridge.run(self.inner.pop(max))
    }

    /// Counts the members.
    ///
    /// # Errors
    ///
    /// As [`crate::SortedSet::len`].
    #[expect(
        clippy::len_without_is_empty,
        reason = "`first` answers that, and costs less"
    )]
    pub fn len(&self) -> Result<u64> {
        self.bridge.run(self.inner.len())
    }
}

/// What is published is heard by those who listen just then: [`crate::Channel`] for plain threads.
#[derive(Debug, Clone)]
pub struct Channel {
    inner: crate::Channel,
    bridge: Bridge,
}

impl Channel {
    pub(super) fn new(inner: crate::Channel, bridge: Bridge) -> Self {
        Self { inner, bridge }
    }

    /// Returns the name of the channel.
    pub fn name(&self) -> &ChannelName {
        self.inner.name()
    }

    /// Tells a value to those who listen now.
    ///
    /// # Errors
    ///
    /// As [`crate::Channel::publish`].
    pub fn publish<T: Serialize + ?Sized>(&self, value: &T) -> Result<()> {
        self.bridge.run(self.inner.publish(value))
    }

    /// Listens: what is published after the answer is heard.
    ///
    /// # Errors
    ///
    /// As [`crate::Channel::subscribe`].
    pub fn subscribe(&self) -> Result<Subscriber> {
        Ok(Subscriber {
            inner: self.bridge.run(self.inner.subscribe())?,
            bridge: self.bridge.clone(),
        })
    }
}

/// Somebody who listens to a channel: [`crate::Subscriber`] for plain threads.
#[derive(Debug)]
pub struct Subscriber {
    inner: crate::Subscriber,
    bridge: Bridge,
}

impl Subscriber {
    /// Waits for the next value, or for the news that some were missed.
    ///
    /// # Errors
    ///
    /// As [`crate::Subscriber::next`].
    #[expect(
        clippy::should_implement_trait,
        reason = "what a value is to be read as is said at each call"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Result<T, Lagged>> {
        self.bridge.run(self.inner.next())
    }
}
