//! Promote: what was scheduled becomes ready when its time has come.

use std::time::Duration;

use towpath_core::Verb;
use towpath_core::store::Promoted;

use super::step::Step;

impl Step<'_> {
    pub(super) fn promote(&mut self, max: usize) -> Promoted {
        let mut moved = 0;
        while let Some((due_at, seq)) = self.table.scheduled.first().copied() {
            if due_at > self.now || moved == max {
                break;
            }
            self.shift_to_wait(seq, Verb::Promote, Duration::ZERO);
            moved += 1;
        }
        let next = self.table.scheduled.first();
        Promoted {
            moved,
            next_due: next.map(|(due_at, _)| *due_at),
        }
    }
}
