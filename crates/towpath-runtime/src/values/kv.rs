//! Values by key.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::codec::JSON;
use towpath_core::name::{BucketName, CodecName, Key};
use towpath_core::store::{Entry, KeyRecord, Replace, Ttl};
use towpath_core::{Error, Kind, Result, limits};

use super::SortedSet;
use crate::app::Shared;

/// How many entries one step of clearing deletes.
const CLEARED: usize = limits::UPKEEP_ROWS;

/// A bucket of values: small things that programs share, by key.
///
/// Made by [`Broker::kv`](crate::Broker::kv). Keys are 1 to 255 bytes, values anything that serde can write,
/// at most 1 MiB (or the limit for payloads of the app), as JSON unless [`with_codec`](Kv::with_codec)
/// names another codec. A value may have a ttl, after which it is as if it had been deleted. Use it for
/// counters, flags and caches of a few values; what belongs to one message goes with the message
/// ([`Context::save`](crate::Context::save)), and large data into files.
///
/// ```
/// use std::time::Duration;
/// use towpath_runtime::Broker;
/// use towpath_core::store::Ttl;
/// # use std::sync::Arc;
/// # use towpath_core::SystemClock; use towpath_stores::MemoryStore;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let broker = Broker::new(Arc::new(MemoryStore::new(Arc::new(SystemClock::new()))));
/// let sessions = broker.kv("sessions")?;
/// sessions.set("ada", &("Ada", 36), Ttl::For(Duration::from_secs(3600))).await?;
/// assert_eq!(sessions.get::<(String, u32)>("ada").await?, Some(("Ada".to_owned(), 36)));
///
/// // The first one wins.
/// assert!(!sessions.set_if_absent("ada", &("Ada", 37), Ttl::Keep).await?);
/// assert_eq!(sessions.scan("a", None, 10).await?.len(), 1);
/// assert_eq!(sessions.clear("sessions").await?, 1);
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Kv {
    shared: Arc<Shared>,
    bucket: BucketName,
    codec: CodecName,
}

impl Kv {
    pub(crate) fn new(shared: Arc<Shared>, bucket: BucketName) -> Self {
        let codec = JSON.clone();
        Self {
            shared,
            bucket,
            codec,
        }
    }

    /// Writes values by another codec. What is read is read by the codec that wrote it.
    #[must_use]
    pub fn with_codec(self, codec: CodecName) -> Self {
        Self { codec, ..self }
    }

    /// The name of the bucket.
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// Keeps a value, in place of one that is there.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when the key or the value is outside its limits, [`Kind::Codec`] when the value
    /// cannot be written, and what the store says. It may be called again after a transient error.
    pub async fn set<T>(&self, key: impl AsRef<str>, value: &T, ttl: Ttl) -> Result<()>
    where
        T: Serialize + ?Sized,
    {
        self.put(key.as_ref(), value, ttl, Replace::Any).await
    }

    /// Keeps a value where there is none; answers whether it did. Of many who try at once one succeeds.
    ///
    /// # Errors
    ///
    /// As [`set`](Kv::set). After a transient error the value may be there by this very call.
    pub async fn set_if_absent<T>(&self, key: impl AsRef<str>, value: &T, ttl: Ttl) -> Result<bool>
    where
        T: Serialize + ?Sized,
    {
        match self.put(key.as_ref(), value, ttl, Replace::Absent).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == Kind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put<T>(&self, key: &str, value: &T, ttl: Ttl, replace: Replace) -> Result<()>
    where
        T: Serialize + ?Sized,
    {
        let key = Key::new(key)?;
        let value = self.shared.codecs.encode(&self.codec, value)?;
        let (size, limit) = (value.len(), self.shared.limits.payload_bytes);
        if size > limit {
            return Err(Error::invalid(format!(
                "the value of key {key:?} has {size} bytes, the limit is {limit}"
            )));
        }
        check_ttl(ttl)?;
        let entry = Entry {
            key,
            value,
            ttl,
            replace,
        };
        let kv = self.shared.store.kv();
        let mut answers = kv.set(self.bucket.clone(), vec![entry]).await?;
        answers.pop().unwrap_or_else(no_answer)
    }

    /// Reads a value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when it is not a `T`, [`Kind::Invalid`] when the key is outside its limits, and what
    /// the store says.
    pub async fn get<T: DeserializeOwned>(&self, key: impl AsRef<str>) -> Result<Option<T>> {
        let keys = vec![Key::new(key)?];
        let mut values = self
            .shared
            .store
            .kv()
            .get(self.bucket.clone(), keys)
            .await?;
        let value = values.pop().flatten();
        value
            .map(|value| self.shared.codecs.decode(&value))
            .transpose()
    }

    /// Tells the size and the expiry of a value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`get`](Kv::get).
    pub async fn look(&self, key: impl AsRef<str>) -> Result<Option<KeyRecord>> {
        let keys = vec![Key::new(key)?];
        let mut found = self
            .shared
            .store
            .kv()
            .look(self.bucket.clone(), keys)
            .await?;
        Ok(found.pop().flatten())
    }

    /// Whether there is a value.
    ///
    /// # Errors
    ///
    /// As [`get`](Kv::get).
    pub async fn exists(&self, key: impl AsRef<str>) -> Result<bool> {
        Ok(self.look(key).await?.is_some())
    }

    /// Keeps a value for another time; answers whether it was there.
    ///
    /// # Errors
    ///
    /// As [`set`](Kv::set).
    pub async fn expire(&self, key: impl AsRef<str>, ttl: Ttl) -> Result<bool> {
        check_ttl(ttl)?;
        let keys = vec![Key::new(key)?];
        let kv = self.shared.store.kv();
        Ok(kv.expire(self.bucket.clone(), keys, ttl).await? == [true])
    }

    /// Deletes a value; answers whether it was there.
    ///
    /// # Errors
    ///
    /// As [`get`](Kv::get).
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool> {
        let keys = vec![Key::new(key)?];
        let kv = self.shared.store.kv();
        Ok(kv.delete(self.bucket.clone(), keys).await? == [true])
    }

    /// The keys that begin with `prefix`, in the order of their bytes, those after `after` if it is given;
    /// at most `max`, which is at most 500. Fewer than `max` means that there are no more.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn scan(
        &self,
        prefix: impl Into<String>,
        after: Option<&Key>,
        max: usize,
    ) -> Result<Vec<Key>> {
        let (bucket, prefix, after) = (self.bucket.clone(), prefix.into(), after.cloned());
        self.shared
            .store
            .kv()
            .scan(bucket, prefix, after, max)
            .await
    }

    /// How many keys the bucket has; sorted sets do not count. Takes time in proportion on SQLite and
    /// Postgres.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn count(&self) -> Result<u64> {
        self.shared.store.kv().count(self.bucket.clone()).await
    }

    /// Deletes all values and sorted sets of the bucket, step by step; answers how many keys and members
    /// that were. What is set meanwhile may stay. `confirm` is the name of the bucket once more.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when `confirm` is another name, and what the store says: a part may be deleted
    /// then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a part deleted.
    pub async fn clear(&self, confirm: &str) -> Result<u64> {
        let bucket = &self.bucket;
        if confirm != bucket.as_str() {
            return Err(Error::invalid(format!(
                "to clear bucket {bucket:?}, confirm with its name and not with {confirm:?}"
            )));
        }
        let mut cleared = 0;
        loop {
            let step = self
                .shared
                .store
                .kv()
                .clear(bucket.clone(), CLEARED)
                .await?;
            if step == 0 {
                return Ok(cleared);
            }
            cleared += step as u64;
        }
    }

    /// Names a sorted set of the bucket. A key and a sorted set of one name are two things.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when it is no name: 1 to 255 bytes without control characters.
    pub fn sorted_set(&self, name: impl AsRef<str>) -> Result<SortedSet> {
        let (store, bucket) = (self.shared.store.clone(), self.bucket.clone());
        Ok(SortedSet::new(store, bucket, Key::new(name)?))
    }
}

fn check_ttl(ttl: Ttl) -> Result<()> {
    match ttl {
        Ttl::For(time) if time > limits::LONGEST => Err(Error::invalid(format!(
            "a ttl is {time:?}, the longest is ten years; use Ttl::Never"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn no_answer<T>() -> Result<T> {
    Err(Error::new(Kind::Storage, "the store gave no answer"))
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kv")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}
