//! Values by key.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use towpath_core::limits::{self, KV_BATCH};
use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Entry, KeyRecord, Replace, Ttl};
use towpath_core::{Error, Kind, Payload, Result, Timestamp};

use super::sets::SortedSet;
use super::step::Step;

/// How many values that have expired a set of one deletes in passing.
const SWEPT_PER_SET: usize = 2;

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) buckets: BTreeMap<BucketName, Bucket>,
    /// Those that go at a time, by that time.
    expiring: BTreeSet<(Timestamp, BucketName, Key)>,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    values: BTreeMap<Key, Value>,
    pub(super) sets: BTreeMap<Key, SortedSet>,
}

#[derive(Debug)]
struct Value {
    payload: Payload,
    expires_at: Option<Timestamp>,
}

impl Values {
    fn find(&self, bucket: &BucketName, key: &Key, now: Timestamp) -> Option<&Value> {
        let value = self.buckets.get(bucket)?.values.get(key)?;
        value.lives(now).then_some(value)
    }

    pub(super) fn set_of(&self, bucket: &BucketName, set: &Key) -> Option<&SortedSet> {
        self.buckets.get(bucket)?.sets.get(set)
    }

    fn put(&mut self, bucket: &BucketName, key: Key, value: Value) {
        self.remove(bucket, &key);
        if let Some(at) = value.expires_at {
            self.expiring.insert((at, bucket.clone(), key.clone()));
        }
        let bucket = self.buckets.entry(bucket.clone()).or_default();
        bucket.values.insert(key, value);
    }

    fn remove(&mut self, bucket: &BucketName, key: &Key) -> Option<Value> {
        let value = self.buckets.get_mut(bucket)?.values.remove(key)?;
        if let Some(at) = value.expires_at {
            self.expiring.remove(&(at, bucket.clone(), key.clone()));
        }
        self.forget_empty(bucket);
        Some(value)
    }

    pub(super) fn forget_empty(&mut self, name: &BucketName) {
        if let Some(bucket) = self.buckets.get(name)
            && bucket.values.is_empty()
            && bucket.sets.is_empty()
        {
            self.buckets.remove(name);
        }
    }

    fn sweep(&mut self, now: Timestamp, max: usize) {
        for _ in 0..max {
            let Some((at, bucket, key)) = self.expiring.first().cloned() else {
                return;
            };
            if at > now {
                return;
            }
            self.remove(&bucket, &key);
        }
    }
}

impl Value {
    fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

impl Step<'_> {
    pub(super) fn set(
        &mut self,
        bucket: &BucketName,
        entries: Vec<Entry>,
    ) -> Result<Vec<Result<()>>> {
        limits::check_batch("values", entries.len(), KV_BATCH)?;
        let swept = entries.len() * SWEPT_PER_SET;
        self.table.values.sweep(self.now, swept);
        let set = |entry| self.set_one(bucket, entry);
        Ok(entries.into_iter().map(set).collect())
    }

    fn set_one(&mut self, bucket: &BucketName, entry: Entry) -> Result<()> {
        let before = self.table.values.find(bucket, &entry.key, self.now);
        if before.is_some() && entry.replace == Replace::Absent {
            let text = format!("key {:?} of bucket {bucket:?} has a value", entry.key);
            return Err(Error::new(Kind::AlreadyExists, text));
        }
        let kept = before.and_then(|value| value.expires_at);
        let value = Value {
            payload: entry.value,
            expires_at: self.expiry(entry.ttl, kept),
        };
        self.table.values.put(bucket, entry.key, value);
        Ok(())
    }

    fn expiry(&self, ttl: Ttl, kept: Option<Timestamp>) -> Option<Timestamp> {
        match ttl {
            Ttl::Keep => kept,
            Ttl::Never => None,
            Ttl::For(time) => Some(self.now.after(time)),
        }
    }

    pub(super) fn get_values(
        &self,
        bucket: &BucketName,
        keys: &[Key],
    ) -> Result<Vec<Option<Payload>>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let find = |key| self.table.values.find(bucket, key, self.now);
        let values = keys.iter().map(find);
        Ok(values
            .map(|value| value.map(|value| value.payload.clone()))
            .collect())
    }

    pub(super) fn look_at(
        &self,
        bucket: &BucketName,
        keys: &[Key],
    ) -> Result<Vec<Option<KeyRecord>>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let find = |key| self.table.values.find(bucket, key, self.now);
        let record = |value: &Value| KeyRecord {
            size: value.payload.len() as u64,
            expires_at: value.expires_at,
        };
        Ok(keys.iter().map(|key| find(key).map(record)).collect())
    }

    pub(super) fn expire_values(
        &mut self,
        bucket: &BucketName,
        keys: Vec<Key>,
        ttl: Ttl,
    ) -> Result<Vec<bool>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let mut there = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.table.values.remove(bucket, &key);
            let value = value.filter(|value| value.lives(self.now));
            there.push(value.is_some());
            if let Some(Value {
                payload,
                expires_at,
            }) = value
            {
                let expires_at = self.expiry(ttl, expires_at);
                let value = Value {
                    payload,
                    expires_at,
                };
                self.table.values.put(bucket, key, value);
            }
        }
        Ok(there)
    }

    pub(super) fn delete_values(&mut self, bucket: &BucketName, keys: &[Key]) -> Result<Vec<bool>> {
        limits::check_batch("keys", keys.len(), KV_BATCH)?;
        let now = self.now;
        let mut delete = |key| self.table.values.remove(bucket, key);
        let deleted = keys
            .iter()
            .map(|key| delete(key).is_some_and(|value| value.lives(now)));
        Ok(deleted.collect())
    }

    pub(super) fn scan(
        &self,
        bucket: &BucketName,
        prefix: &str,
        after: Option<&Key>,
        max: usize,
    ) -> Vec<Key> {
        let Some(bucket) = self.table.values.buckets.get(bucket) else {
            return Vec::new();
        };
        let from = match after.filter(|after| after.as_str() >= prefix) {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(prefix),
        };
        let keys = bucket.values.range::<str, _>((from, Bound::Unbounded));
        keys.take_while(|(key, _)| key.as_str().starts_with(prefix))
            .filter(|(_, value)| value.lives(self.now))
            .map(|(key, _)| key.clone())
            .take(max.min(limits::WINDOW))
            .collect()
    }

    pub(super) fn count_values(&self, bucket: &BucketName) -> u64 {
        let bucket = self.table.values.buckets.get(bucket);
        let values = bucket.map(|bucket| bucket.values.values());
        values.map_or(0, |values| {
            values.filter(|value| value.lives(self.now)).count() as u64
        })
    }

    pub(super) fn clear(&mut self, name: &BucketName, max: usize) -> usize {
        let values = &mut self.table.values;
        let Some(bucket) = values.buckets.get_mut(name) else {
            return 0;
        };
        let mut members = 0;
        while members < max
            && let Some(mut entry) = bucket.sets.first_entry()
        {
            match entry.get_mut().pop() {
                Some(_) => members += 1,
                None => drop(entry.remove()),
            }
        }
        bucket.sets.retain(|_, set| !set.is_empty());
        let keys: Vec<Key> = bucket.values.keys().take(max - members).cloned().collect();
        for key in &keys {
            values.remove(name, key);
        }
        values.forget_empty(name);
        members + keys.len()
    }
}
