//! The workers that are known.

use std::time::Duration;

use redis::Value;
use towpath_core::store::WorkerRecord;
use towpath_core::{IncarnationId, Result, TaskName};

use super::bytes::{Damaged, Reader, text};
use super::reply::{self, Unexpected};
use super::script::WORKERS;
use super::store::Shared;

impl Shared {
    pub(super) async fn workers(&self) -> Result<Vec<WorkerRecord>> {
        let answer = self.call(self.lease_call(&WORKERS)).await?;
        self.read(&WORKERS, answer, |answer| {
            let values = reply::array(answer)?;
            let (now, values) = values.split_first().ok_or(Unexpected)?;
            let now = reply::number(now)?;
            let workers = values.chunks(4).map(|values| read(values, now));
            let mut workers: Vec<WorkerRecord> = workers.collect::<Result<_, _>>()?;
            workers.sort_by_key(|worker| worker.incarnation);
            Ok(workers)
        })
    }
}

fn read(values: &[Value], now: i64) -> Result<WorkerRecord, Unexpected> {
    let [incarnation, card, lease_ends, held] = values else {
        return Err(Unexpected);
    };
    let read_card = |mut card: Reader| {
        let name = text(&card.medium()?)?.to_owned();
        let joined_at = card.time()?;
        let rest: (String, Vec<TaskName>) = serde_json::from_slice(&card.rest())
            .map_err(|_| Damaged("has a card that cannot be read"))?;
        Ok((name, joined_at, rest))
    };
    let incarnation = Reader::new(reply::bytes(incarnation.clone())?).id();
    let card = read_card(Reader::new(reply::bytes(card.clone())?));
    let (name, joined_at, (listens, tasks)) = card.map_err(|_: Damaged| Unexpected)?;
    let lease_ends = reply::maybe_number(lease_ends)?;
    let left = |ends: i64| Duration::from_millis(u64::try_from(ends - now).unwrap_or(0));
    Ok(WorkerRecord {
        incarnation: IncarnationId::from_bytes(incarnation.map_err(|_| Unexpected)?),
        name,
        listens,
        tasks,
        joined_at,
        lease_left: lease_ends.map(left),
        held: reply::count(held)?,
    })
}
