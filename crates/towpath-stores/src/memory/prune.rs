//! Prune: deletes finished messages whose retention has ended, or that are too many.

use towpath_core::store::{Pruned, Topic};

use super::row::Seq;
use super::step::Step;

impl Step<'_> {
    pub(super) fn prune(&mut self, max: usize) -> Pruned {
        let mut removed = 0;
        while removed < max {
            let Some(seq) = self.next_to_prune() else {
                break;
            };
            self.delete(seq);
            removed += 1;
        }
        Pruned {
            removed,
            more: self.next_to_prune().is_some(),
        }
    }

    fn next_to_prune(&self) -> Option<Seq> {
        let sections = [
            (&self.table.succeeded, self.retention.succeeded_count),
            (&self.table.dead, self.retention.dead_count),
        ];
        sections.into_iter().find_map(|(finished, count_max)| {
            let (kept_until, seq) = finished.first()?;
            let due = *kept_until <= self.now || finished.len() as u64 > count_max;
            due.then_some(*seq)
        })
    }

    /// Deletes a message with its result, and tells those who wait for it.
    pub(super) fn delete(&mut self, seq: Seq) {
        self.table.delete(seq);
        self.rings.add(Topic::Change);
    }
}
