//! Expire: what was not started in time becomes a dead letter.

use towpath_core::{FailReason, Verb};

use super::step::Step;

impl Step<'_> {
    pub(super) fn expire(&mut self, max: usize) -> usize {
        let mut expired = 0;
        while let Some((expires_at, seq)) = self.table.expiring.first().copied() {
            if expires_at > self.now || expired == max {
                break;
            }
            self.shift_to_failed(seq, Verb::Expire, FailReason::Expired);
            expired += 1;
        }
        expired
    }
}
