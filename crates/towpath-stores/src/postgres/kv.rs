//! Values by key, and the face that values, sorted sets and channels have in common. The writing is in
//! `functions/values.sql`.

use std::collections::HashMap;

use tokio_postgres::Row;
use towpath_core::limits::{self, KV_BATCH, UPKEEP_ROWS, WINDOW};
use towpath_core::name::{BucketName, ChannelName, Key};
use towpath_core::store::{
    Answer, Entry, KeyRecord, KvStore, Member, Replace, Score, Subscription, Ttl,
};
use towpath_core::{Error, Kind, Payload, Result};

use super::columns::{Columns, codec_text, millis, rows};
use super::error::{Fallible, Fault};
use super::statement::statement;
use super::store::PostgresStore;
use super::tx::{Params, Tx};
use super::{channel, sets};

/// How many values that have expired a set of one deletes in passing.
const SWEPT_PER_SET: usize = 2;
/// What `ttl` says of a value that stays until it is deleted.
const NEVER: i64 = -1;
/// How many characters of the greatest kind stand behind every name: one has at most 255 bytes.
const BEHIND: usize = 64;

async fn set(tx: &Tx<'_>, bucket: &BucketName, entries: &[Entry]) -> Fallible<Vec<Result<()>>> {
    limits::check_batch("values", entries.len(), KV_BATCH)?;
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let codecs: Vec<Option<&str>> = entries
        .iter()
        .map(|entry| codec_text(entry.value.codec()))
        .collect();
    let datas: Vec<&[u8]> = entries
        .iter()
        .map(|entry| &entry.value.bytes()[..])
        .collect();
    let ttls: Vec<Option<i64>> = entries.iter().map(|entry| ttl_code(entry.ttl)).collect();
    let absent: Vec<bool> = entries
        .iter()
        .map(|entry| entry.replace == Replace::Absent)
        .collect();
    let sql = "SELECT set_values($1, $2, $3, $4, $5, $6, $7, $8)";
    let swept = rows(entries.len() * SWEPT_PER_SET);
    let asked: Params<'_> = &[
        &tx.now(),
        &bucket.as_str(),
        &names,
        &codecs,
        &datas,
        &ttls,
        &absent,
        &swept,
    ];
    let kept = flags(tx, sql, asked).await?;
    let answer = |(entry, kept): (&Entry, bool)| {
        if kept {
            return Ok(());
        }
        let text = format!("key {:?} of bucket {bucket:?} has a value", entry.key);
        Err(Error::new(Kind::AlreadyExists, text))
    };
    Ok(entries.iter().zip(kept).map(answer).collect())
}

fn ttl_code(ttl: Ttl) -> Option<i64> {
    match ttl {
        Ttl::Keep => None,
        Ttl::Never => Some(NEVER),
        Ttl::For(time) => Some(millis(time.min(limits::LONGEST))),
    }
}

/// What a function answers that answers yes or no to each.
pub(super) async fn flags(
    tx: &Tx<'_>,
    sql: &'static str,
    asked: Params<'_>,
) -> Fallible<Vec<bool>> {
    Ok(tx.query_one(sql, asked).await?.try_get(0)?)
}

async fn get(tx: &Tx<'_>, bucket: &BucketName, keys: &[Key]) -> Fallible<Vec<Option<Payload>>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    let asked: Params<'_> = &[&tx.now(), &bucket.as_str(), &texts(keys)];
    let found = tx.query(statement!("values"), asked).await?;
    placed(&found, keys, |columns| columns.payload("codec", "data"))
}

async fn look(tx: &Tx<'_>, bucket: &BucketName, keys: &[Key]) -> Fallible<Vec<Option<KeyRecord>>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    let asked: Params<'_> = &[&tx.now(), &bucket.as_str(), &texts(keys)];
    let found = tx.query(statement!("look_at_values"), asked).await?;
    placed(&found, keys, |columns| {
        Ok(KeyRecord {
            size: columns.size("size")? as u64,
            expires_at: columns.maybe_time("expires")?,
        })
    })
}

pub(super) fn texts<N: AsRef<str>>(names: &[N]) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}

/// What rows with a `place` say of those that were asked about.
pub(super) fn placed<N: std::fmt::Debug, T>(
    found: &[Row],
    asked: &[N],
    read: impl Fn(&Columns<'_>) -> Fallible<T>,
) -> Fallible<Vec<Option<T>>> {
    let mut by_place: HashMap<i64, &Row> = HashMap::with_capacity(found.len());
    for row in found {
        by_place.insert(Columns(row).long("place")?, row);
    }
    let one = |(place, name): (i64, &N)| {
        let row = by_place.get(&place).map(|row| read(&Columns(row)));
        let row = row.transpose();
        row.map_err(|fault: Fault| fault.about(format_args!("{name:?}")))
    };
    (1..).zip(asked).map(one).collect()
}

async fn expire(tx: &Tx<'_>, bucket: &BucketName, keys: &[Key], ttl: Ttl) -> Fallible<Vec<bool>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    let sql = "SELECT expire_values($1, $2, $3, $4)";
    let asked: Params<'_> = &[&tx.now(), &bucket.as_str(), &texts(keys), &ttl_code(ttl)];
    flags(tx, sql, asked).await
}

async fn delete(tx: &Tx<'_>, bucket: &BucketName, keys: &[Key]) -> Fallible<Vec<bool>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    let sql = "SELECT delete_values($1, $2, $3)";
    let asked: Params<'_> = &[&tx.now(), &bucket.as_str(), &texts(keys)];
    flags(tx, sql, asked).await
}

async fn scan(
    tx: &Tx<'_>,
    bucket: &BucketName,
    prefix: &str,
    after: Option<&Key>,
    max: usize,
) -> Fallible<Vec<Key>> {
    if prefix.contains('\0') {
        // No name holds it, and the server takes no text that does.
        return Ok(Vec::new());
    }
    let after = after.map(Key::as_str).filter(|after| *after >= prefix);
    let asked: Params<'_> = &[
        &tx.now(),
        &bucket.as_str(),
        &after.unwrap_or(prefix),
        &after.is_some(),
        &behind(prefix),
        &rows(max.min(WINDOW)),
    ];
    let found = tx.query(statement!("scan_values"), asked).await?;
    let read = |row| read_key(&Columns(row), "name");
    found.iter().map(read).collect()
}

/// A text behind all names that begin with `prefix`, and before all greater ones that do not.
fn behind(prefix: &str) -> String {
    let greatest = char::MAX.to_string();
    prefix.to_owned() + &greatest.repeat(BEHIND)
}

pub(super) fn read_key(columns: &Columns<'_>, name: &str) -> Fallible<Key> {
    Key::new(columns.text(name)?).map_err(|error| Fault::damaged(name, error))
}

async fn count(tx: &Tx<'_>, bucket: &BucketName) -> Fallible<u64> {
    let asked: Params<'_> = &[&tx.now(), &bucket.as_str()];
    counted(tx, statement!("count_values"), asked).await
}

pub(super) async fn counted(tx: &Tx<'_>, sql: &'static str, asked: Params<'_>) -> Fallible<u64> {
    let count: i64 = tx.query_one(sql, asked).await?.try_get(0)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn clear(tx: &Tx<'_>, bucket: &BucketName, max: usize) -> Fallible<usize> {
    // So that one step takes milliseconds, however much is asked for.
    let most = rows(max.min(UPKEEP_ROWS));
    let asked: Params<'_> = &[&bucket.as_str(), &most];
    let cleared = counted(tx, "SELECT clear_bucket($1, $2)", asked).await?;
    Ok(usize::try_from(cleared).unwrap_or(usize::MAX))
}

impl KvStore for PostgresStore {
    fn set(&self, bucket: BucketName, entries: Vec<Entry>) -> Answer<'_, Vec<Result<()>>> {
        self.verb(async move |tx: &Tx<'_>| set(tx, &bucket, &entries).await)
    }

    fn get(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<Payload>>> {
        self.verb(async move |tx: &Tx<'_>| get(tx, &bucket, &keys).await)
    }

    fn look(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<Option<KeyRecord>>> {
        self.verb(async move |tx: &Tx<'_>| look(tx, &bucket, &keys).await)
    }

    fn expire(&self, bucket: BucketName, keys: Vec<Key>, ttl: Ttl) -> Answer<'_, Vec<bool>> {
        self.verb(async move |tx: &Tx<'_>| expire(tx, &bucket, &keys, ttl).await)
    }

    fn delete(&self, bucket: BucketName, keys: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.verb(async move |tx: &Tx<'_>| delete(tx, &bucket, &keys).await)
    }

    fn scan(
        &self,
        bucket: BucketName,
        prefix: String,
        after: Option<Key>,
        max: usize,
    ) -> Answer<'_, Vec<Key>> {
        self.verb(async move |tx: &Tx<'_>| scan(tx, &bucket, &prefix, after.as_ref(), max).await)
    }

    fn count(&self, bucket: BucketName) -> Answer<'_, u64> {
        self.verb(async move |tx: &Tx<'_>| count(tx, &bucket).await)
    }

    fn clear(&self, bucket: BucketName, max: usize) -> Answer<'_, usize> {
        self.verb(async move |tx: &Tx<'_>| clear(tx, &bucket, max).await)
    }

    fn add(&self, bucket: BucketName, set: Key, members: Vec<Member>) -> Answer<'_, Vec<bool>> {
        self.verb(async move |tx: &Tx<'_>| sets::add(tx, &bucket, &set, &members).await)
    }

    fn scores(
        &self,
        bucket: BucketName,
        set: Key,
        members: Vec<Key>,
    ) -> Answer<'_, Vec<Option<Score>>> {
        self.verb(async move |tx: &Tx<'_>| sets::scores(tx, &bucket, &set, &members).await)
    }

    fn discard(&self, bucket: BucketName, set: Key, members: Vec<Key>) -> Answer<'_, Vec<bool>> {
        self.verb(async move |tx: &Tx<'_>| sets::discard(tx, &bucket, &set, &members).await)
    }

    fn range(
        &self,
        bucket: BucketName,
        set: Key,
        after: Option<Member>,
        max: usize,
    ) -> Answer<'_, Vec<Member>> {
        self.verb(async move |tx: &Tx<'_>| {
            sets::range(tx, &bucket, &set, after.as_ref(), max).await
        })
    }

    fn pop(&self, bucket: BucketName, set: Key, max: usize) -> Answer<'_, Vec<Member>> {
        self.verb(async move |tx: &Tx<'_>| sets::pop(tx, &bucket, &set, max).await)
    }

    fn len(&self, bucket: BucketName, set: Key) -> Answer<'_, u64> {
        self.verb(async move |tx: &Tx<'_>| sets::len(tx, &bucket, &set).await)
    }

    fn publish(&self, channel: ChannelName, value: Payload) -> Answer<'_, ()> {
        self.verb(async move |tx: &Tx<'_>| channel::publish(tx, &channel, &value).await)
    }

    fn subscribe(&self, channel: ChannelName) -> Answer<'_, Box<dyn Subscription>> {
        Box::pin(self.subscription(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_prefix_stands_every_name_of_it_and_no_other() {
        let check = |prefix: &str, name: &str, expected: bool| {
            let is_between = name >= prefix && *name <= *behind(prefix);
            assert_eq!(is_between, expected, "{name:?} of {prefix:?}");
        };
        let longest = char::MAX.to_string().repeat(63);
        check("", &longest, true);
        check("a", &format!("a{longest}"), true);
        check("a", "a", true);
        check("a", "b", false);
        check("a", "Z", false);
        check("ab", "ac", false);
    }
}
