//! Sorted sets.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use towpath_core::Result;
use towpath_core::limits::{self, KV_BATCH};
use towpath_core::name::{BucketName, Key};
use towpath_core::store::{Member, Score};

use super::step::Step;

#[derive(Debug, Default)]
pub(super) struct SortedSet {
    scores: HashMap<Key, Score>,
    order: BTreeSet<Member>,
}

impl SortedSet {
    fn put(&mut self, member: Member) -> bool {
        let before = self.scores.insert(member.name.clone(), member.score);
        if let Some(score) = before {
            let name = member.name.clone();
            self.order.remove(&Member { score, name });
        }
        self.order.insert(member);
        before.is_none()
    }

    fn remove(&mut self, name: &Key) -> bool {
        let Some(score) = self.scores.remove(name) else {
            return false;
        };
        let name = name.clone();
        self.order.remove(&Member { score, name })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Member> {
        let first = self.order.pop_first()?;
        self.scores.remove(&first.name);
        Some(first)
    }
}

impl Step<'_> {
    pub(super) fn add_members(
        &mut self,
        bucket: &BucketName,
        set: Key,
        members: Vec<Member>,
    ) -> Result<Vec<bool>> {
        limits::check_batch("members", members.len(), KV_BATCH)?;
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let bucket = self.table.values.buckets.entry(bucket.clone()).or_default();
        let set = bucket.sets.entry(set).or_default();
        Ok(members.into_iter().map(|member| set.put(member)).collect())
    }

    pub(super) fn scores(
        &self,
        bucket: &BucketName,
        set: &Key,
        members: &[Key],
    ) -> Result<Vec<Option<Score>>> {
        limits::check_batch("members", members.len(), KV_BATCH)?;
        let set = self.table.values.set_of(bucket, set);
        let score = |member| set.and_then(|set| set.scores.get(member).copied());
        Ok(members.iter().map(score).collect())
    }

    pub(super) fn discard(
        &mut self,
        name: &BucketName,
        set: &Key,
        members: &[Key],
    ) -> Result<Vec<bool>> {
        limits::check_batch("members", members.len(), KV_BATCH)?;
        let there = self.in_set(name, set, |set| {
            members.iter().map(|member| set.remove(member)).collect()
        });
        Ok(there.unwrap_or_else(|| vec![false; members.len()]))
    }

    pub(super) fn range(
        &self,
        bucket: &BucketName,
        set: &Key,
        after: Option<Member>,
        max: usize,
    ) -> Vec<Member> {
        let Some(set) = self.table.values.set_of(bucket, set) else {
            return Vec::new();
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = set.order.range((from, Bound::Unbounded));
        members.take(max.min(limits::WINDOW)).cloned().collect()
    }

    pub(super) fn pop(&mut self, name: &BucketName, set: &Key, max: usize) -> Vec<Member> {
        let max = max.min(limits::WINDOW);
        let popped = self.in_set(name, set, |set| {
            std::iter::from_fn(|| set.pop()).take(max).collect()
        });
        popped.unwrap_or_default()
    }

    pub(super) fn len_of(&self, bucket: &BucketName, set: &Key) -> u64 {
        let set = self.table.values.set_of(bucket, set);
        set.map_or(0, |set| set.order.len() as u64)
    }

    /// Changes a set that is there, and forgets it once it is empty.
    fn in_set<T>(
        &mut self,
        name: &BucketName,
        set: &Key,
        change: impl FnOnce(&mut SortedSet) -> T,
    ) -> Option<T> {
        let bucket = self.table.values.buckets.get_mut(name)?;
        let found = bucket.sets.get_mut(set)?;
        let answer = change(found);
        if found.order.is_empty() {
            bucket.sets.remove(set);
            self.table.values.forget_empty(name);
        }
        Some(answer)
    }
}
