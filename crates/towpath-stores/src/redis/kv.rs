//! Values by key, and the face that values, sorted sets and channels have in common.

use redis::Value;
use towpath_core::codec::JSON;
use towpath_core::limits::{self, KV_BATCH, WINDOW};
use towpath_core::name::{BucketName, ChannelName, CodecName, Key};
use towpath_core::store::{
    Answer, Entry, KeyRecord, KvStore, Member, Replace, Score, Subscription, Ttl,
};
use towpath_core::{Error, Kind, Payload, Result, Timestamp};

use super::bytes::{millis, text};
use super::reply::{self, Unexpected};
use super::script::{
    Call, Script, VALUE_CLEAR, VALUE_COUNT, VALUE_DELETE, VALUE_EXPIRE, VALUE_GET, VALUE_LOOK,
    VALUE_SCAN, VALUE_SET,
};
use super::store::{RedisStore, Shared};

/// How many values that have expired a set of one deletes in passing.
const SWEPT_PER_SET: usize = 2;
/// A byte that no name holds, and that stands behind all which one may.
const AFTER_ALL: u8 = 0xff;

impl Shared {
    async fn set_values(&self, bucket: &BucketName, entries: &[Entry]) -> Result<Vec<Result<()>>> {
        limits::check_batch("values", entries.len(), KV_BATCH)?;
        let mut call = self.call_of(&VALUE_SET);
        call.text(bucket.as_str())
            .count(entries.len() * SWEPT_PER_SET);
        for Entry {
            key,
            value,
            ttl,
            replace,
        } in entries
        {
            let codec = value.codec();
            call.text(key.as_str())
                .text(if *codec == *JSON { "" } else { codec.as_str() });
            put_ttl(&mut call, *ttl);
            call.text(match replace {
                Replace::Any => "",
                Replace::Absent => "1",
            });
            call.bytes(value.bytes());
        }
        let kept = self.flags(&VALUE_SET, call, entries.len()).await?;
        let answer = |(entry, kept): (&Entry, bool)| {
            if kept {
                return Ok(());
            }
            let text = format!("key {:?} of bucket {bucket:?} has a value", entry.key);
            Err(Error::new(Kind::AlreadyExists, text))
        };
        Ok(entries.iter().zip(kept).map(answer).collect())
    }

    async fn get_values(&self, bucket: &BucketName, keys: &[Key]) -> Result<Vec<Option<Payload>>> {
        let pairs = self.pairs(&VALUE_GET, bucket, keys).await?;
        let payload = |(key, (value, codec)): (&Key, (Value, Value))| {
            let Some(value) = self.read(&VALUE_GET, value, reply::maybe_bytes)? else {
                return Ok(None);
            };
            let codec = match self.read(&VALUE_GET, codec, reply::maybe_bytes)? {
                None => Ok(JSON.clone()),
                Some(name) => read_codec(&name),
            };
            let what = format_args!("key {key:?}");
            let codec = codec.map_err(|why| self.translate.unreadable(what, why))?;
            Ok(Some(Payload::new(codec, value)))
        };
        keys.iter().zip(pairs).map(payload).collect()
    }

    async fn look_at(&self, bucket: &BucketName, keys: &[Key]) -> Result<Vec<Option<KeyRecord>>> {
        let pairs = self.pairs(&VALUE_LOOK, bucket, keys).await?;
        let record = |(size, expires): (Value, Value)| {
            let Some(size) = reply::maybe_number(&size)? else {
                return Ok(None);
            };
            let expires_at = reply::maybe_number(&expires)?.map(Timestamp::from_millis);
            let size = u64::try_from(size).map_err(|_| Unexpected)?;
            Ok(Some(KeyRecord { size, expires_at }))
        };
        let records: Result<_, Unexpected> = pairs.into_iter().map(record).collect();
        records.map_err(|Unexpected| self.translate.answer(VALUE_LOOK.name))
    }

    /// What a script answers that answers two values per key.
    async fn pairs(
        &self,
        script: &'static Script,
        bucket: &BucketName,
        keys: &[Key],
    ) -> Result<Vec<(Value, Value)>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let mut call = self.call_of(script);
        call.text(bucket.as_str()).names(keys);
        let answer = self.call(call).await?;
        self.read(script, answer, |answer| reply::pairs(answer, keys.len()))
    }

    async fn expire_values(
        &self,
        bucket: &BucketName,
        keys: &[Key],
        ttl: Ttl,
    ) -> Result<Vec<bool>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let mut call = self.call_of(&VALUE_EXPIRE);
        call.text(bucket.as_str());
        put_ttl(&mut call, ttl);
        call.names(keys);
        self.flags(&VALUE_EXPIRE, call, keys.len()).await
    }

    async fn delete_values(&self, bucket: &BucketName, keys: &[Key]) -> Result<Vec<bool>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let mut call = self.call_of(&VALUE_DELETE);
        call.text(bucket.as_str()).names(keys);
        self.flags(&VALUE_DELETE, call, keys.len()).await
    }

    /// Looks at one window after the other, because one may hold only keys whose values have expired.
    async fn scan(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&Key>,
        max: usize,
    ) -> Result<Vec<Key>> {
        let max = max.min(WINDOW);
        let (mut from, to) = stretch(prefix, after.map(Key::as_str));
        let mut keys = Vec::new();
        while keys.len() < max {
            let mut call = self.call_of(&VALUE_SCAN);
            call.text(bucket.as_str())
                .bytes(&from)
                .bytes(&to)
                .count(max);
            let answer = self.call(call).await?;
            let (more, found) = self.read(&VALUE_SCAN, answer, reply::stretch)?;
            for name in found {
                let name = self.read(&VALUE_SCAN, name, reply::bytes)?;
                keys.push(self.read_name(&name, Key::new)?);
            }
            match more {
                Some(last) => from = excluded(&last),
                None => break,
            }
        }
        keys.truncate(max);
        Ok(keys)
    }

    async fn count_values(&self, bucket: &BucketName) -> Result<u64> {
        let mut call = self.call_of(&VALUE_COUNT);
        call.text(bucket.as_str());
        self.counted(&VALUE_COUNT, call).await
    }

    async fn clear(&self, bucket: &BucketName, max: usize) -> Result<usize> {
        let mut call = self.call_of(&VALUE_CLEAR);
        // So that one step takes milliseconds, however much is asked for.
        call.text(bucket.as_str())
            .count(max.min(limits::UPKEEP_ROWS));
        let cleared = self.counted(&VALUE_CLEAR, call).await?;
        Ok(usize::try_from(cleared).unwrap_or(usize::MAX))
    }

    /// What a script answers that answers yes or no to each of so many.
    pub(super) async fn flags(
        &self,
        script: &'static Script,
        call: Call,
        len: usize,
    ) -> Result<Vec<bool>> {
        let answer = self.call(call).await?;
        self.read(script, answer, |answer| reply::flags(answer, len))
    }

    pub(super) async fn counted(&self, script: &'static Script, call: Call) -> Result<u64> {
        let answer = self.call(call).await?;
        let count = self.read(script, answer, |answer| reply::count(&answer))?;
        Ok(count as u64)
    }

    /// A name that the server told.
    pub(super) fn read_name<T>(
        &self,
        name: &[u8],
        new: impl FnOnce(String) -> Result<T>,
    ) -> Result<T> {
        let name = String::from_utf8_lossy(name).into_owned();
        new(name).map_err(|error| self.translate.unreadable("a name", error))
    }
}

fn put_ttl(call: &mut Call, ttl: Ttl) {
    match ttl {
        Ttl::Keep => call.text(""),
        Ttl::Never => call.text("n"),
        Ttl::For(time) => call.number(millis(time)),
    };
}

fn read_codec(name: &[u8]) -> Result<CodecName, String> {
    let name = text(name).map_err(|damaged| format!("its codec {}", damaged.0))?;
    CodecName::new(name).map_err(|error| error.to_string())
}

/// From where and to where the names stand that begin with `prefix`, as ZRANGEBYLEX has it.
fn stretch(prefix: &str, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let from = match after.filter(|after| *after >= prefix) {
        Some(after) => excluded(after.as_bytes()),
        None => [b"[", prefix.as_bytes()].concat(),
    };
    (from, [b"(", prefix.as_bytes(), &[AFTER_ALL]].concat())
}

/// After this name, as ZRANGEBYLEX has it.
pub(super) fn excluded(name: &[u8]) -> Vec<u8> {
    [b"(", name].concat()
}

impl KvStore for RedisStore {
    fn set(&self, bucket: BucketName, entries: Vec<Entry>) -> Answer<'_, Vec<Result<()>>> {
        Box::pin(async move { self.shared.set_values(&bucket, &entries).await })
    }

    fn get(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<Payload>>> {
        Box::pin(async move { self.shared.get_values(&bucket, &keys).await })
    }

    fn look(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<KeyRecord>>> {
        Box::pin(async move { self.shared.look_at(&bucket, &keys).await })
    }

    fn expire(&self, bucket: BucketName, keys: Vec<Key>, ttl: Ttl) -> Answer<'_, Vec<bool>> {
        Box::pin(async move { self.shared.expire_values(&bucket, &keys, ttl).await })
    }

    fn delete(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<bool>> {
        Box::pin(async move { self.shared.delete_values(&bucket, &keys).await })
    }

    fn scan(
        &self,
        bucket: BucketName,
        prefix: String,
        after: Option<Key>,
        max: usize,
    ) -> Answer<'_, Vec<Key>> {
        Box::pin(async move {
            let after = after.as_ref();
            self.shared.scan(&bucket, &prefix, after, max).await
        })
    }

    fn count(&self, bucket: BucketName) -> Answer<'_, u64> {
        Box::pin(async move { self.shared.count_values(&bucket).await })
    }

    fn clear(&self, bucket: BucketName, max: usize) -> Answer<'_, usize> {
        Box::pin(async move { self.shared.clear(&bucket, max).await })
    }

    fn add(&self, bucket: BucketName, set: Key, members: Vec<Member>) -> Answer<'_, Vec<bool>> {
        Box::pin(async move { self.shared.add_members(&bucket, &set, &members).await })
    }

    fn scores(
        &self,
        bucket: BucketName,
        set: Key,
        members: Vec<Key>,
    ) -> Answer<'_, Vec<Option<Score>>> {
        Box::pin(async move { self.shared.scores(&bucket, &set, &members).await })
    }

    fn discard(&self, bucket: BucketName, set: Key, members: Vec<Key>) -> Answer<'_, Vec<bool>> {
        Box::pin(async move { self.shared.discard(&bucket, &set, &members).await })
    }

    fn range(
        &self,
        bucket: BucketName,
        set: Key,
        after: Option<Member>,
        max: usize,
    ) -> Answer<'_, Vec<Member>> {
        Box::pin(async move { self.shared.range(&bucket, &set, after.as_ref(), max).await })
    }

    fn pop(&self, bucket: BucketName, set: Key, max: usize) -> Answer<'_, Vec<Member>> {
        Box::pin(async move { self.shared.pop(&bucket, &set, max).await })
    }

    fn len(&self, bucket: BucketName, set: Key) -> Answer<'_, u64> {
        Box::pin(async move { self.shared.len_of(&bucket, &set).await })
    }

    fn publish(&self, channel: ChannelName, value: Payload) -> Answer<'_, ()> {
        Box::pin(async move { self.shared.publish(&channel, &value).await })
    }

    fn subscribe(&self, channel: ChannelName) -> Answer<'_, Box<dyn Subscription>> {
        Box::pin(self.shared.subscribe(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_holds_the_names_of_a_prefix() {
        let check = |prefix: &str, after: Option<&str>, from: &[u8], to: &[u8]| {
            let expected = (from.to_vec(), to.to_vec());
            assert_eq!(
                stretch(prefix, after),
                expected,
                "{prefix:?} after {after:?}"
            );
        };
        check("", None, b"[", b"(\xff");
        check("a:", None, b"[a:", b"(a:\xff");
        check("a:", Some("a:1"), b"(a:1", b"(a:\xff");
        check("a:", Some("a"), b"[a:", b"(a:\xff");
        check("a:", Some("b"), b"(b", b"(a:\xff");
    }
}
