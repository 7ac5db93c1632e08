//! Small values of user code: by key, in sorted sets, and published to those who listen.
//!
//! Keys stand in **buckets**, which are only names: what a bucket holds can be scanned, counted and cleared
//! together. A key and a sorted set of one name have nothing to do with each other.

use std::cmp::Ordering;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::Answer;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::{BucketName, ChannelName, Key};
use crate::payload::Payload;

/// How long a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ttl {
    /// As long as the value before it was to be kept; a new one until it is deleted.
    #[default]
    Keep,
    /// Until it is deleted.
    Never,
    /// That long from now, on the store's clock.
    For(Duration),
}

/// Whether a value may replace another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replace {
    /// It may.
    #[default]
    Any,
    /// Only where there is none, else `AlreadyExists`.
    Absent,
}

/// One value to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// The value, at most [`PAYLOAD_BYTES`](crate::limits::PAYLOAD_BYTES).
    pub value: Payload,
    /// How long it is kept.
    pub ttl: Ttl,
    /// Whether it may replace another.
    pub replace: Replace,
}

/// What is known of a key, without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRecord {
    /// The size of its value in bytes.
    pub size: u64,
    /// When it goes; `None` when it stays until it is deleted.
    pub expires_at: Option<Timestamp>,
}

/// The place of a member in a sorted set: a finite number, lower first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score(f64);

impl Score {
    /// Checks a number. −0 is kept as 0.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when it is not finite.
    ///
    /// ```
    /// use towpath_core::store::Score;
    /// assert_eq!(Score::new(2.5)?.get(), 2.5);
    /// assert!(Score::new(f64::NAN).is_err());
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    pub fn new(score: f64) -> Result<Self> {
        if score.is_finite() {
            // Adding 0 makes −0 to 0 and leaves every other number as it is.
            Ok(Self(score + 0.0))
        } else {
            Err(Error::invalid(format!(
                "a score is {score}; give it a finite number"
            )))
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A member of a sorted set. They stand in the order of their scores, those of one score in that of the
/// bytes of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its place.
    pub score: Score,
    /// Its name.
    pub name: Key,
}

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A value that was published.
    Value(Payload),
    /// So many values (at least) were missed, because the subscriber was too slow or the connection was
    /// lost; 0 where the number is not known.
    Lagged(u64),
}

/// The values of a namespace.
///
/// As for every verb of a [`Store`](super::Store): each is one atomic step, and safe to repeat. At most
/// [`KV_BATCH`](crate::limits::KV_BATCH) keys or members in one call; more are refused whole (`Invalid`). What
/// has expired is as if it were not there, and `set` deletes some of it in passing.
pub trait KvStore: Send + Sync {
    /// Keeps values; one answer each.
    fn set(&self, bucket: BucketName, entries: Vec<Entry>) -> Answer<'_, Vec<Result<()>>>;

    /// The values of keys; `None` where there is none.
    fn get(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<Payload>>>;

    /// What is known of keys.
    fn look(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<KeyRecord>>>;

    /// Keeps values for another time. Answers whether each was there.
    fn expire(&self, bucket: BucketName, keys: Vec<Key>, ttl: Ttl) -> Answer<'_, Vec<bool>>;

    /// Deletes values. Answers whether each was there.
    fn delete(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<bool>>;

    /// The keys of a bucket that begin with `prefix`, in the order of their bytes, those after `after` if
    /// it is given, and at most `max`, which is at most [`WINDOW`](crate::limits::WINDOW). Fewer than
    /// `max` means that there are no more.
    fn scan(
        &self,
        bucket: BucketName,
        prefix: String,
        after: Option<Key>,
        max: usize,
    ) -> Answer<'_, Vec<Key>>;

    /// How many keys a bucket has. A sorted set does not count.
    fn count(&self, bucket: BucketName) -> Answer<'_, u64>;

    /// Deletes at most `max` keys and members of the sets of a bucket; answers how many. 0 means that
    /// the bucket is empty.
    fn clear(&self, bucket: BucketName, max: usize) -> Answer<'_, usize>;

    /// Puts members into a sorted set, or gives them another score. Answers whether each is new.
    fn add(&self, bucket: BucketName, set: Key, members: Vec<Member>) -> Answer<'_, Vec<bool>>;

    /// The scores of members; `None` where they are not in the set.
    fn scores(
        &self,
        bucket: BucketName,
        set: Key,
        members: Vec<Key>,
    ) -> Answer<'_, Vec<Option<Score>>>;

    /// Takes members out of a sorted set. Answers whether each was there.
    fn discard(&self, bucket: BucketName, set: Key, members: Vec<Key>) -> Answer<'_, Vec<bool>>;

    /// The first members of a sorted set, those after `after` if it is given, and at most `max`, which
    /// is at most [`WINDOW`](crate::limits::WINDOW). Fewer than `max` means that there are no more.
    fn range(
        &self,
        bucket: BucketName,
        set: Key,
        after: Option<Member>,
        max: usize,
    ) -> Answer<'_, Vec<Member>>;

    /// Takes the first members out of a sorted set, at most `max`: of two takers each gets others.
    fn pop(&self, bucket: BucketName, set: Key, max: usize) -> Answer<'_, Vec<Member>>;

    /// How many members a sorted set has.
    fn len(&self, bucket: BucketName, set: Key) -> Answer<'_, u64>;

    /// Tells a value of at most [`PUBLISHED_BYTES`](crate::limits::PUBLISHED_BYTES) to those who listen
    /// to a channel now, at most once each, in the order of one publisher.
    fn publish(&self, channel: ChannelName, value: Payload) -> Answer<'_, ()>;

    /// Listens to a channel: what is published after the answer is heard.
    fn subscribe(&self, channel: ChannelName) -> Answer<'_, Box<dyn Subscription>>;
}

/// Somebody who listens to one channel.
pub trait Subscription: Send {
    /// What is heard next.
    ///
    /// # Errors
    ///
    /// `Stopped` once the store was closed; what the store says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call answers what this one would have.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard>> + Send + '_>>;
}
