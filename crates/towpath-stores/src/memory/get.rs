//! Get, brief and results: what is known of single messages.

use towpath_core::MessageId;
use towpath_core::message::Record;
use towpath_core::store::{Brief, ResultRead, StoredResult};

use super::row::{KeptResult, Place, Row, Seq};
use super::step::Step;

impl Step<'_> {
    pub(super) fn get(&self, ids: &[MessageId]) -> Vec<Option<Record>> {
        ids.iter()
            .map(|id| self.table.find(*id).map(|row| self.record(row)))
            .collect()
    }

    pub(super) fn record(&self, row: &Row) -> Record {
        let hold = row.place.hold();
        let worker = hold.map(|hold| self.worker_name(hold.incarnation));
        row.record(worker, self.table.paused.contains(&row.draft.queue))
    }

    pub(super) fn brief(&self, ids: &[MessageId]) -> Vec<Brief> {
        ids.iter()
            .map(|id| self.table.find(*id).map_or(Brief::UNKNOWN, Row::brief))
            .collect()
    }

    pub(super) fn results(&mut self, ids: &[MessageId], take: bool) -> Vec<ResultRead> {
        ids.iter()
            .map(|id| {
                let Some(row) = self.table.find(*id) else {
                    return ResultRead::Unknown;
                };
                let (seq, read) = (row.seq, read(row));
                if take
                    && matches!(
                        read,
                        ResultRead::Value {
                            payload: Some(_),
                            ..
                        }
                    )
                {
                    self.mark_taken(seq);
                }
                read
            })
            .collect()
    }

    fn mark_taken(&mut self, seq: Seq) {
        // The message stays where it stands, so its row may be written in place.
        if let Place::Succeeded { result, .. } = &mut self.table.row_mut(seq).place {
            *result = KeptResult::Taken;
        }
    }
}

fn read(row: &Row) -> ResultRead {
    match &row.place {
        Place::Scheduled | Place::Ready | Place::Running(_) => ResultRead::Waiting,
        Place::Revoked { .. } => ResultRead::Revoked,
        Place::Failed { reason, .. } => ResultRead::Failed {
            reason: *reason,
            error: row.record(None, false).error().cloned(),
        },
        Place::Succeeded { ended, result } => match result {
            KeptResult::Taken => ResultRead::Taken,
            KeptResult::Stored(StoredResult::TooLarge { size }) => {
                ResultRead::TooLarge { size: *size }
            }
            KeptResult::Stored(StoredResult::None) => ResultRead::Value {
                payload: None,
                finished_at: ended.at,
            },
            KeptResult::Stored(StoredResult::Value(payload)) => ResultRead::Value {
                payload: Some(payload.clone()),
                finished_at: ended.at,
            },
        },
    }
}
