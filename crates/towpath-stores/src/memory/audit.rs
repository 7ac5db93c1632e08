//! Audit and doctor: looks for messages that no structure leads to. In memory only a bug of ours can
//! make one; the verbs are here because the contract has them, and to catch that bug.

use towpath_core::store::{Audit, Cursor, Finding, StateCounts, Topic};
use towpath_core::{Error, Result};

use super::row::Seq;
use super::step::Step;
use super::table::count_of;

impl Step<'_> {
    pub(super) fn audit(&mut self, after: Option<&Cursor>, max: usize) -> Result<Audit> {
        let after = match after.map(|cursor| cursor.0.as_slice()) {
            None => 0,
            Some([seq]) => *seq,
            Some(_) => return Err(Error::invalid("the cursor is not of an audit")),
        };
        let mut rows = self.table.rows.range(after + 1..);
        let seqs: Vec<Seq> = rows.by_ref().take(max).map(|(seq, _)| *seq).collect();
        let more = rows.next().is_some();
        let mended = seqs.iter().filter_map(|seq| self.mend(*seq)).collect();
        Ok(Audit {
            scanned: seqs.len(),
            mended,
            next: seqs.last().filter(|_| more).map(|seq| Cursor(vec![*seq])),
        })
    }

    /// Puts a message that stands nowhere into its line. An ended one goes where its end says.
    fn mend(&mut self, seq: Seq) -> Option<Finding> {
        let row = self.table.row(seq);
        if self.table.stands(row) {
            return None;
        }
        let (id, state) = (row.draft.id, row.state());
        *count_of(&mut self.table.counts, state) -= 1;
        if !state.is_terminal() {
            let (due_at, place) = self.waiting(self.now);
            let row = self.table.row_mut(seq);
            (row.due_at, row.place) = (due_at, place);
        }
        self.table.enter(seq);
        self.rings.add(Topic::Change);
        self.rings.add(Topic::Work);
        Some(Finding {
            about: format!("message {id}"),
            problem: format!("was {state} and stood nowhere; it stands in its line again"),
        })
    }

    pub(super) fn doctor(&self) -> Vec<Finding> {
        let mut counts = StateCounts::default();
        let mut findings = Vec::new();
        for row in self.table.rows.values() {
            *count_of(&mut counts, row.state()) += 1;
            if !self.table.stands(row) {
                findings.push(Finding {
                    about: format!("message {}", row.draft.id),
                    problem: format!("is {} and stands nowhere; an audit mends it", row.state()),
                });
            }
        }
        if counts != self.table.counts {
            let kept = self.table.counts;
            findings.push(Finding {
                about: "the counts of states".to_owned(),
                problem: format!("are {kept:?}, the messages say {counts:?}"),
            });
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::row::Place;
    use crate::memory::step::Rings;
    use crate::memory::table::Table;
    use towpath_core::store::Retention;
    use towpath_core::{Draft, Payload, State, TaskName, Timestamp};

    #[test]
    fn a_message_that_stands_nowhere_is_found_and_becomes_ready() {
        let mut table = Table::default();
        let mut step = Step {
            table: &mut table,
            now: Timestamp::from_millis(1),
            uptime: std::time::Duration::ZERO,
            retention: Retention::default(),
            rings: Rings::default(),
        };
        let draft = Draft::new(TaskName::new("t").unwrap(), Payload::json("1"));
        let id = draft.id;
        step.submit_one(draft).unwrap();
        assert!(step.doctor().is_empty());

        // What a bug would do: the row says one thing, the structures another.
        step.table.row_mut(1).place = Place::Scheduled;
        assert_eq!(step.doctor().len(), 2);
        let rank = step.table.row(1).rank();
        let (queue, task) = {
            let draft = &step.table.row(1).draft;
            (draft.queue.clone(), draft.task.clone())
        };
        step.table.lines.remove(&queue, &task, &rank);
        step.table.counts = StateCounts {
            scheduled: 1,
            ..StateCounts::default()
        };

        let audit = step.audit(None, 10).unwrap();
        assert_eq!((audit.scanned, audit.mended.len()), (1, 1));
        assert_eq!(step.table.find(id).unwrap().state(), State::Ready);
        assert!(step.doctor().is_empty());
    }
}
