//! Values by key.

use rusqlite::{Connection, OptionalExtension, params};
use towpath_core::limits::{self, KV_BATCH};
use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Entry, KeyRecord, Replace, Ttl};
use towpath_core::{Error, Kind, Payload, Result};

use super::columns::{Columns, codec_text};
use super::error::{Fallible, Fault};
use super::reader::Look;
use super::tx::Tx;

/// How many values that have expired a set of one deletes in passing.
const SWEPT_PER_SET: usize = 2;

pub(super) fn set(
    tx: &mut Tx<'_>,
    bucket: &BucketName,
    entries: &[Entry],
) -> Fallible<Vec<Result<()>>> {
    limits::check_batch("values", entries.len(), KV_BATCH)?;
    sweep(tx, entries.len() * SWEPT_PER_SET)?;
    let set = |entry| set_one(tx, bucket, entry);
    entries.iter().map(set).collect()
}

/// Deletes some of what has expired, so that it does not become ever more.
fn sweep(tx: &Tx<'_>, max: usize) -> Fallible<()> {
    let sql = "DELETE FROM value WHERE v IN \
        (SELECT v FROM value WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";
    let swept = params![tx.now.as_millis(), i64::try_from(max).unwrap_or(i64::MAX)];
    tx.db.prepare_cached(sql)?.execute(swept)?;
    Ok(())
}

fn set_one(tx: &Tx<'_>, bucket: &BucketName, entry: &Entry) -> Fallible<Result<()>> {
    let Entry { key, value, .. } = entry;
    let kept = find_expiry(tx, bucket, key)?;
    if kept.is_some() && entry.replace == Replace::Absent {
        let text = format!("key {key:?} of bucket {bucket:?} has a value");
        return Ok(Err(Error::new(Kind::AlreadyExists, text)));
    }
    let sql = "INSERT OR REPLACE INTO value (ns, bucket, name, codec, data, expires) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.db.prepare_cached(sql)?.execute(params![
        tx.ns,
        bucket.as_str(),
        key.as_str(),
        codec_text(value.codec()),
        &value.bytes()[..],
        expiry(tx, entry.ttl, kept.flatten()),
    ])?;
    Ok(Ok(()))
}

/// When a value goes, if it is there.
fn find_expiry(tx: &Tx<'_>, bucket: &BucketName, key: &Key) -> Fallible<Option<Option<i64>>> {
    let sql = "SELECT expires FROM value WHERE ns = ?1 AND bucket = ?2 AND name = ?3 \
        AND (expires IS NULL OR expires > ?4)";
    let asked = params![tx.ns, bucket.as_str(), key.as_str(), tx.now.as_millis()];
    let mut statement = tx.db.prepare_cached(sql)?;
    Ok(statement.query_row(asked, |row| row.get(0)).optional()?)
}

fn expiry(tx: &Tx<'_>, ttl: Ttl, kept: Option<i64>) -> Option<i64> {
    match ttl {
        Ttl::Keep => kept,
        Ttl::Never => None,
        Ttl::For(time) => Some(tx.now.after(time).as_millis()),
    }
}

pub(super) fn get(
    look: &Look<'_>,
    bucket: &BucketName,
    keys: &[Key],
) -> Fallible<Vec<Option<Payload>>> {
    each(look, bucket, keys, "codec, data", |columns| {
        columns.payload(0, 1, "value.data")
    })
}

pub(super) fn look(
    look: &Look<'_>,
    bucket: &BucketName,
    keys: &[Key],
) -> Fallible<Vec<Option<KeyRecord>>> {
    each(look, bucket, keys, "length(data), expires", |columns| {
        Ok(KeyRecord {
            size: columns.size(0, "value.data")? as u64,
            expires_at: columns.maybe_time(1, "value.expires")?,
        })
    })
}

/// Reads something of each key that has a value.
fn each<T>(
    look: &Look<'_>,
    bucket: &BucketName,
    keys: &[Key],
    what: &str,
    read: impl Fn(&Columns<'_>) -> Fallible<T>,
) -> Fallible<Vec<Option<T>>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    let sql = format!(
        "SELECT {what} FROM value WHERE ns = ?1 AND bucket = ?2 AND name = ?3 \
         AND (expires IS NULL OR expires > ?4)"
    );
    let now = look.clock.now().as_millis();
    let mut statement = look.db.prepare_cached(&sql)?;
    let mut one = |key: &Key| {
        let mut rows = statement.query(params![look.ns, bucket.as_str(), key.as_str(), now])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let value = read(&Columns(row));
        value.map(Some).map_err(|fault: Fault| fault.about(key))
    };
    keys.iter().map(&mut one).collect()
}

pub(super) fn expire(
    tx: &Tx<'_>,
    bucket: &BucketName,
    keys: &[Key],
    ttl: Ttl,
) -> Fallible<Vec<bool>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    let sql = "UPDATE value SET expires = ?4 WHERE ns = ?1 AND bucket = ?2 AND name = ?3";
    let mut update = tx.db.prepare_cached(sql)?;
    let mut one = |key: &Key| {
        let Some(kept) = find_expiry(tx, bucket, key)? else {
            return Ok(false);
        };
        let expires = expiry(tx, ttl, kept);
        update.execute(params![tx.ns, bucket.as_str(), key.as_str(), expires])?;
        Ok(true)
    };
    keys.iter().map(&mut one).collect()
}

pub(super) fn delete(tx: &Tx<'_>, bucket: &BucketName, keys: &[Key]) -> Fallible<Vec<bool>> {
    limits::check_batch("keys", keys.len(), KV_BATCH)?;
    // What has expired may lie there still; whoever deletes it found nothing.
    let sql = "DELETE FROM value WHERE ns = ?1 AND bucket = ?2 AND name = ?3 \
        AND (expires IS NULL OR expires > ?4)";
    let now = tx.now.as_millis();
    let mut delete = tx.db.prepare_cached(sql)?;
    let mut one =
        |key: &Key| Ok(delete.execute(params![tx.ns, bucket.as_str(), key.as_str(), now])? > 0);
    keys.iter().map(&mut one).collect()
}

pub(super) fn scan(
    look: &Look<'_>,
    bucket: &BucketName,
    prefix: &str,
    after: Option<&Key>,
    max: usize,
) -> Fallible<Vec<Key>> {
    let after = after.map(Key::as_str).filter(|after| *after >= prefix);
    let sql = match after {
        Some(_) => {
            "SELECT name FROM value WHERE ns = ?1 AND bucket = ?2 AND name > ?3 \
             AND (expires IS NULL OR expires > ?4) ORDER BY name"
        }
        None => {
            "SELECT name FROM value WHERE ns = ?1 AND bucket = ?2 AND name >= ?3 \
             AND (expires IS NULL OR expires > ?4) ORDER BY name"
        }
    };
    let mut statement = look.db.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        look.ns,
        bucket.as_str(),
        after.unwrap_or(prefix),
        look.clock.now().as_millis(),
    ])?;
    let max = max.min(limits::WINDOW);
    let mut keys = Vec::new();
    while keys.len() < max
        && let Some(row) = rows.next()?
    {
        let name = Columns(row).text(0, "value.name")?;
        if !name.starts_with(prefix) {
            break;
        }
        keys.push(read_key(name, "value.name")?);
    }
    Ok(keys)
}

pub(super) fn read_key(name: &str, column: &str) -> Fallible<Key> {
    Key::new(name).map_err(|error| Fault::damaged(column, error))
}

pub(super) fn count(look: &Look<'_>, bucket: &BucketName) -> Fallible<u64> {
    let sql = "SELECT count(*) FROM value WHERE ns = ?1 AND bucket = ?2 \
        AND (expires IS NULL OR expires > ?3)";
    let now = look.clock.now().as_millis();
    counted(look.db, sql, params![look.ns, bucket.as_str(), now])
}

pub(super) fn counted(db: &Connection, sql: &str, asked: impl rusqlite::Params) -> Fallible<u64> {
    let count: i64 = db.prepare_cached(sql)?.query_row(asked, |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Deletes members first, then values.
pub(super) fn clear(tx: &Tx<'_>, bucket: &BucketName, max: usize) -> Fallible<usize> {
    let of = |max: usize| params_of(tx.ns, bucket, max);
    let members = "DELETE FROM member WHERE (ns, bucket, name, member) IN \
        (SELECT ns, bucket, name, member FROM member WHERE ns = ?1 AND bucket = ?2 LIMIT ?3)";
    let members = tx.db.prepare_cached(members)?.execute(of(max))?;
    let values = "DELETE FROM value WHERE v IN \
        (SELECT v FROM value WHERE ns = ?1 AND bucket = ?2 LIMIT ?3)";
    let values = tx.db.prepare_cached(values)?.execute(of(max - members))?;
    Ok(members + values)
}

fn params_of(ns: i64, bucket: &BucketName, max: usize) -> (i64, &str, i64) {
    (ns, bucket.as_str(), i64::try_from(max).unwrap_or(i64::MAX))
}
