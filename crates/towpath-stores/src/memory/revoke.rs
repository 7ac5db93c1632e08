//! Revoke: calls messages off.

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Revoked, Topic};
use towpath_core::{Error, Kind, MessageId, Result, State, Verb};

use super::row::Place;
use super::step::{AttemptEnd, Step};

impl Step<'_> {
    pub(super) fn revoke(&mut self, ids: &[MessageId], skip_running: bool) -> Vec<Result<Revoked>> {
        ids.iter()
            .map(|id| self.revoke_one(*id, skip_running))
            .collect()
    }

    fn revoke_one(&mut self, id: MessageId, skip_running: bool) -> Result<Revoked> {
        let seq = self.find_for(Verb::Revoke, id)?;
        let running = self.table.row(seq).state() == State::Running;
        if running && skip_running {
            let text = format!("message {id} is being run, and those are to be skipped");
            return Err(Error::new(Kind::WrongState, text));
        }
        if running {
            self.remember(seq, AttemptEnd::of(AttemptOutcome::Revoked));
            self.rings.add(Topic::Revocation);
        }
        let ended = self.ended(self.retention.dead);
        self.shift(seq, Verb::Revoke, Place::Revoked { ended });
        Ok(if running {
            Revoked::Running
        } else {
            Revoked::Waiting
        })
    }
}
