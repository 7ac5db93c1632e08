//! Settle: ends attempts under their tokens.

use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::store::{Settle, SettleRequest, Settled, Verdict};
use towpath_core::{
    AttemptError, Error, FailReason, IncarnationId, Result, Timestamp, Verb, limits,
};

use super::row::{KeptResult, Place, Seq};
use super::step::{AttemptEnd, Step};

impl Step<'_> {
    pub(super) fn settle(&mut self, request: SettleRequest) -> Result<Settled> {
        let incarnation = request.incarnation;
        let wanted = request.claim.as_ref();
        if let Some(claim) = wanted.filter(|claim| claim.incarnation != incarnation) {
            let other = claim.incarnation;
            return Err(Error::invalid(format!(
                "worker {incarnation} settles, but the claim in the same step is of worker {other}"
            )));
        }
        let items = request
            .items
            .into_iter()
            .map(|item| self.settle_one(incarnation, item))
            .collect();
        // Only a worker that is gone is refused, and such a one is handed nothing.
        let claimed = wanted.map_or_else(Vec::new, |claim| self.claim(claim).unwrap_or_default());
        Ok(Settled { items, claimed })
    }

    fn settle_one(&mut self, incarnation: IncarnationId, item: Settle) -> Result<()> {
        let seq = self.held(incarnation, item.token)?;
        limits::check_batch("linked locks", item.unlock.len(), limits::LINKED_LOCKS)?;
        self.unlock_linked(&item.unlock);
        let verdict = self.bounded(seq, item.verdict);
        self.remember_settled(seq, item.started_at, &verdict);
        let verb = verdict.verb();
        match verdict {
            Verdict::Done { result, callbacks } => {
                let row = self.table.row(seq);
                let kept = row.draft.options.result_ttl;
                let ended = self.ended(kept.unwrap_or(self.retention.succeeded));
                let result = KeptResult::Stored(result);
                self.shift(seq, verb, Place::Succeeded { ended, result });
                self.submit_callbacks(callbacks);
            }
            Verdict::Fail { reason, .. } => self.shift_to_failed(seq, verb, reason),
            Verdict::Retry { after, .. } | Verdict::Snooze { after } => {
                self.shift_to_wait(seq, verb, after);
            }
            Verdict::Release => self.release(seq),
        }
        Ok(())
    }

    /// Gives a running message back to its line.
    pub(super) fn release(&mut self, seq: Seq) {
        self.shift_to_wait(seq, Verb::Release, Duration::ZERO);
    }

    /// The verdict, unless it is one snooze too many.
    fn bounded(&self, seq: Seq, verdict: Verdict) -> Verdict {
        let snoozes = self.table.row(seq).counters.snoozes;
        if !matches!(verdict, Verdict::Snooze { .. }) || snoozes < limits::SNOOZES {
            return verdict;
        }
        let text = format!("snoozed {snoozes} times, which is the limit");
        Verdict::Fail {
            reason: FailReason::Rejected,
            error: AttemptError::new("towpath::Snoozed", text),
        }
    }

    fn remember_settled(&mut self, seq: Seq, started_at: Option<Timestamp>, verdict: &Verdict) {
        let (outcome, error) = match verdict {
            Verdict::Done { .. } => (AttemptOutcome::Done, None),
            Verdict::Retry { error, .. } => (AttemptOutcome::Retried, Some(error.clone())),
            Verdict::Fail { error, .. } => (AttemptOutcome::Failed, Some(error.clone())),
            Verdict::Release => (AttemptOutcome::Released, None),
            Verdict::Snooze { .. } => (AttemptOutcome::Snoozed, None),
        };
        let end = AttemptEnd {
            outcome,
            started_at,
            error,
        };
        self.remember(seq, end);
    }
}
