//! Update: changes messages that wait.

use towpath_core::store::Update;
use towpath_core::{MessageId, Result, State, Verb};

use super::row::Place;
use super::step::Step;

impl Step<'_> {
    pub(super) fn update(&mut self, updates: Vec<(MessageId, Update)>) -> Vec<Result<()>> {
        updates
            .into_iter()
            .map(|(id, update)| self.update_one(id, update))
            .collect()
    }

    fn update_one(&mut self, id: MessageId, update: Update) -> Result<()> {
        let seq = self.find_for(Verb::Update, id)?;
        let row = self.table.row(seq);
        let (state, was_due_at) = (row.state(), row.due_at);
        let asked = update.start.map(|start| start.resolve(self.now));
        let (due_at, place) = match (state, asked) {
            // One that is ready and may start now keeps its place among its equals.
            (State::Ready, None) => (was_due_at, Place::Ready),
            (State::Ready, Some(asked)) if asked <= self.now => (was_due_at, Place::Ready),
            (_, None) => (was_due_at, Place::Scheduled),
            (_, Some(asked)) => self.waiting(asked),
        };
        self.shift_with(seq, Verb::Update, place, |row| {
            row.due_at = due_at;
            let draft = &mut row.draft;
            draft.priority = update.priority.unwrap_or(draft.priority);
            draft.start = update.start.unwrap_or(draft.start);
            if let Some(metadata) = update.metadata {
                draft.options.metadata = metadata;
            }
            if let Some(payload) = update.payload {
                draft.payload = payload;
            }
        });
        Ok(())
    }
}
