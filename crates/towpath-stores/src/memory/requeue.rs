//! Requeue, replay and remove: what people do to messages that are done with.

use towpath_core::message::{Attempt, AttemptOutcome, Start};
use towpath_core::{Error, Kind, MessageId, Result, Verb};

use super::step::Step;

impl Step<'_> {
    pub(super) fn requeue(&mut self, ids: &[MessageId]) -> Vec<Result<()>> {
        ids.iter().map(|id| self.requeue_one(*id)).collect()
    }

    fn requeue_one(&mut self, id: MessageId) -> Result<()> {
        let seq = self.find_for(Verb::Requeue, id)?;
        let now = self.now;
        let (due_at, place) = self.waiting(now);
        self.shift_with(seq, Verb::Requeue, place, |row| {
            row.due_at = due_at;
            // Its time to start begins again too: else one that had expired would expire at once.
            row.expires_at = row.draft.options.expires_in.map(|ttl| now.after(ttl));
            row.remember(Attempt {
                claims: row.counters.claims,
                worker: String::new(),
                started_at: None,
                ended_at: now,
                outcome: AttemptOutcome::Requeued,
                error: None,
            });
        });
        Ok(())
    }

    pub(super) fn replay(&mut self, ids: &[(MessageId, MessageId)]) -> Vec<Result<()>> {
        ids.iter()
            .map(|(id, new_id)| self.replay_one(*id, *new_id))
            .collect()
    }

    fn replay_one(&mut self, id: MessageId, new_id: MessageId) -> Result<()> {
        let row = self.find(id)?;
        let state = row.state();
        if !state.is_terminal() {
            return Err(Error::new(
                Kind::WrongState,
                format!(
                    "message {id}: cannot replay a message that is {state} (it must be succeeded, failed, revoked)"
                ),
            ));
        }
        let mut draft = row.draft.clone();
        draft.id = new_id;
        // Whoever repeats a message wants it now, not after the delay that it once had.
        draft.start = Start::Now;
        draft.options.replay_of = Some(id);
        self.submit_one(draft)
    }

    pub(super) fn remove(&mut self, ids: &[MessageId]) -> Vec<Result<()>> {
        ids.iter().map(|id| self.remove_one(*id)).collect()
    }

    fn remove_one(&mut self, id: MessageId) -> Result<()> {
        let seq = self.find_for(Verb::Remove, id)?;
        self.delete(seq);
        Ok(())
    }
}
