//! Note: what a running handler leaves with its message.

use towpath_core::store::{Note, Topic};
use towpath_core::{IncarnationId, Result, Token};

use super::step::Step;

impl Step<'_> {
    pub(super) fn note(
        &mut self,
        incarnation: IncarnationId,
        token: Token,
        note: Note,
    ) -> Result<()> {
        let seq = self.held(incarnation, token)?;
        let row = self.table.row_mut(seq);
        match note {
            Note::Details(details) => {
                row.details = Some(details);
                row.details_set = row.details_set.saturating_add(1);
                self.rings.add(Topic::Change);
            }
            Note::Saved(payload) => row.saved = Some(payload),
        }
        Ok(())
    }
}
