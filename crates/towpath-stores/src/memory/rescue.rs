//! Rescue: takes messages from workers whose lease has ended.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::Rescued;
use towpath_core::{Backoff, FailReason, IncarnationId, Verb, limits};

use super::row::Seq;
use super::step::{AttemptEnd, Step};

impl Step<'_> {
    pub(super) fn rescue(&mut self, max: usize) -> Rescued {
        let mut rescued = Rescued {
            workers: self.bury_overdue(max),
            ..Rescued::default()
        };
        while rescued.returned + rescued.given_up < max {
            let Some(incarnation) = self.table.workers.first_unrescued() else {
                break;
            };
            let held = self.table.held_by(incarnation).next();
            match held {
                Some(seq) => self.rescue_one(seq, &mut rescued),
                None => self.table.workers.set_rescued(incarnation),
            }
        }
        rescued
    }

    /// Ends the lives of workers first, so that none of them can settle what is taken from the others
    /// in a later step.
    fn bury_overdue(&mut self, max: usize) -> usize {
        let mut found = 0;
        while found < max {
            let Some(incarnation) = self.table.workers.first_overdue(self.uptime) else {
                break;
            };
            self.bury(incarnation);
            found += 1;
        }
        found
    }

    fn bury(&mut self, incarnation: IncarnationId) {
        self.table.workers.bury(incarnation);
        self.table.workers.set_unrescued(incarnation);
    }

    fn rescue_one(&mut self, seq: Seq, rescued: &mut Rescued) {
        let row = self.table.row(seq);
        let started = row
            .place
            .hold()
            .is_some_and(|hold| hold.started_at.is_some());
        let losses = row.counters.after(Verb::RescueStarted).losses;
        // One that may not have started is remembered too: its being lost is the only trace there is
        // of a message that ends its workers faster than they can tell.
        self.remember(seq, AttemptEnd::of(AttemptOutcome::Lost));
        if !started {
            self.shift_to_wait(seq, Verb::Rescue, Duration::ZERO);
        } else if losses > limits::LOSSES {
            self.shift_to_failed(seq, Verb::GiveUp, FailReason::Lost);
            rescued.given_up += 1;
            return;
        } else {
            self.shift_to_wait(seq, Verb::RescueStarted, wait_after(losses));
        }
        rescued.returned += 1;
    }
}

/// The first loss is most likely none of the message's doing; from the second on it waits.
fn wait_after(losses: u32) -> Duration {
    if losses < 2 {
        return Duration::ZERO;
    }
    Backoff::default().get(losses)
}
