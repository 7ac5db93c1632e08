//! One verb on every message that a filter selects.

use std::sync::Arc;

use towpath_core::message::Record;
use towpath_core::store::{Cursor, List, Section};
use towpath_core::{Error, Kind, MessageId, Result, Store, limits};

use super::Filter;

/// The messages of a section that a filter selects, and verbs on all of them.
///
/// First everything is collected, window by window, then changed in batches: a verb that moves
/// messages within the section meets none of them twice.
#[derive(Debug)]
pub struct Bulk {
    store: Arc<dyn Store>,
    section: Section,
    filter: Filter,
}

/// What became of a verb on many messages.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct BulkOutcome {
    /// Messages that were changed.
    pub changed: usize,
    /// Messages that had moved on meanwhile, and were left alone.
    pub skipped: usize,
}

impl Bulk {
    pub(crate) fn new(store: Arc<dyn Store>, section: Section, filter: Filter) -> Result<Self> {
        if filter.is_empty() {
            return Err(Error::invalid(
                "the filter is empty; name a queue, task, reason or age, or say all",
            ));
        }
        Ok(Self {
            store,
            section,
            filter,
        })
    }

    /// The selected messages, at most `max` of them, without changing anything: the dry run.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn select(&self, max: usize) -> Result<Vec<Record>> {
        self.collect(max, |record| record).await
    }

    /// Ids alone, so that a million of them fit where their records would not.
    async fn ids(&self) -> Result<Vec<MessageId>> {
        self.collect(usize::MAX, |record| record.message.draft.id)
            .await
    }

    async fn collect<T>(&self, max: usize, keep: impl Fn(Record) -> T) -> Result<Vec<T>> {
        let now = self.store.now().await?;
        let mut kept = Vec::new();
        let mut after: Option<Cursor> = None;
        while kept.len() < max {
            let list = List {
                section: self.section,
                after,
                limit: limits::WINDOW,
            };
            let window = self.store.list(list).await?;
            let matching = window
                .records
                .into_iter()
                .filter(|r| self.filter.matches(r, now));
            let room = max - kept.len();
            kept.extend(matching.take(room).map(&keep));
            after = window.next;
            if after.is_none() {
                break;
            }
        }
        Ok(kept)
    }

    /// Puts all of them back.
    ///
    /// # Errors
    ///
    /// What the store says; the batches before that are done.
    pub async fn requeue(&self) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome::default();
        for ids in self.ids().await?.chunks(limits::WINDOW) {
            outcome.add(self.store.requeue(ids.to_vec()).await?)?;
        }
        Ok(outcome)
    }

    /// Deletes all of them.
    ///
    /// # Errors
    ///
    /// As [`requeue`](Bulk::requeue).
    pub async fn remove(&self) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome::default();
        for ids in self.ids().await?.chunks(limits::WINDOW) {
            outcome.add(self.store.remove(ids.to_vec()).await?)?;
        }
        Ok(outcome)
    }

    /// Calls all of them off.
    ///
    /// # Errors
    ///
    /// As [`requeue`](Bulk::requeue).
    pub async fn revoke(&self, skip_running: bool) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome::default();
        for ids in self.ids().await?.chunks(limits::WINDOW) {
            outcome.add(self.store.revoke(ids.to_vec(), skip_running).await?)?;
        }
        Ok(outcome)
    }

    /// Submits all of them once more, as new messages.
    ///
    /// # Errors
    ///
    /// As [`requeue`](Bulk::requeue).
    pub async fn replay(&self) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome::default();
        for ids in self.ids().await?.chunks(limits::WINDOW) {
            let copies = ids.iter().map(|id| (*id, MessageId::new())).collect();
            outcome.add(self.store.replay(copies).await?)?;
        }
        Ok(outcome)
    }
}

impl BulkOutcome {
    fn add<T>(&mut self, answers: Vec<Result<T>>) -> Result<()> {
        for answer in answers {
            match answer {
                Ok(_) => self.changed += 1,
                Err(e) if matches!(e.kind(), Kind::NotFound | Kind::WrongState) => {
                    self.skipped += 1;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
