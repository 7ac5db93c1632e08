//! Submit: accepts messages.

use towpath_core::life::Counters;
use towpath_core::{Draft, Error, Kind, Result};

use super::row::Row;
use super::step::Step;

/// How many messages the store holds at most, finished ones included: everything has a bound.
const ROWS_MAX: usize = 10_000_000;

impl Step<'_> {
    pub(super) fn submit(&mut self, drafts: Vec<Draft>) -> Vec<Result<()>> {
        drafts
            .into_iter()
            .map(|draft| self.submit_one(draft))
            .collect()
    }

    pub(super) fn submit_one(&mut self, draft: Draft) -> Result<()> {
        if self.table.ids.contains_key(&draft.id) {
            return Err(Error::new(
                Kind::AlreadyExists,
                format!("message {} is already in the store", draft.id),
            ));
        }
        if self.table.rows.len() >= ROWS_MAX {
            return Err(Error::new(
                Kind::Storage,
                format!("the store in memory holds {ROWS_MAX} messages, which is its limit"),
            ));
        }
        self.accept(draft);
        Ok(())
    }

    /// Takes in the callbacks of a success. One that is already known is not submitted again: the
    /// attempt that first submitted it was repeated.
    pub(super) fn submit_callbacks(&mut self, callbacks: Vec<Draft>) {
        for draft in callbacks {
            if !self.table.ids.contains_key(&draft.id) {
                // Even into a full store: work that was done must be able to end, and it makes at
                // most the room that its own retention gives back.
                self.accept(draft);
            }
        }
    }

    fn accept(&mut self, draft: Draft) {
        let (due_at, place) = self.waiting(draft.start.resolve(self.now));
        self.ring_for(&place);
        self.table.last_seq += 1;
        self.table.add(Row {
            seq: self.table.last_seq,
            expires_at: draft.options.expires_in.map(|ttl| self.now.after(ttl)),
            draft,
            counters: Counters::default(),
            place,
            submitted_at: self.now,
            updated_at: self.now,
            due_at,
            saved: None,
            details: None,
            details_set: 0,
            attempts: Vec::new(),
        });
    }
}
