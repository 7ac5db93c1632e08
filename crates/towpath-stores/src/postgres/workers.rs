//! Workers: who is known, and until when.

use std::time::Duration;

use towpath_core::IncarnationId;
use towpath_core::store::WorkerRecord;
use uuid::Uuid;

use super::columns::Columns;
use super::error::{Fallible, Fault};
use super::statement::statement;
use super::tx::Tx;

pub(super) async fn workers(tx: &Tx<'_>) -> Fallible<Vec<WorkerRecord>> {
    let mut workers = Vec::new();
    for row in &tx.query(statement!("workers"), &[&tx.uptime()]).await? {
        match worker(&Columns(row)) {
            Ok(worker) => workers.push(worker),
            // One that cannot be read must not hide the others.
            Err(Fault::Refused(error)) => {
                tracing::error!(%error, "a damaged worker is left out of the list");
            }
            Err(engine) => return Err(engine),
        }
    }
    Ok(workers)
}

fn worker(columns: &Columns<'_>) -> Fallible<WorkerRecord> {
    let left = columns.maybe_long("lease_left")?;
    let left = left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0)));
    Ok(WorkerRecord {
        incarnation: IncarnationId::from_bytes(*columns.get::<Uuid>("id")?.as_bytes()),
        name: columns.text("name")?.to_owned(),
        listens: columns.text("listens")?.to_owned(),
        tasks: serde_json::from_str(columns.text("tasks")?)
            .map_err(|error| Fault::damaged("worker.tasks", error))?,
        joined_at: columns.time("joined")?,
        lease_left: left,
        held: columns.size("held")?,
    })
}
