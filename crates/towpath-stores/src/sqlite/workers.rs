//! Workers: who is known, and until when.

use std::time::Duration;

use towpath_core::store::WorkerRecord;

use super::columns::{Columns, millis};
use super::error::{Fallible, Fault};
use super::reader::Look;
use super::statement::statement;

pub(super) fn workers(look: &mut Look<'_>) -> Fallible<Vec<WorkerRecord>> {
    let mut statement = look.db.prepare_cached(statement!("workers"))?;
    let mut rows = statement.query([look.ns])?;
    let (boot, uptime) = (look.clock.boot(), millis(look.clock.uptime()));
    let mut workers = Vec::new();
    while let Some(row) = rows.next()? {
        match worker(&Columns(row), &boot, uptime) {
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

fn worker(columns: &Columns<'_>, boot: &str, uptime: i64) -> Fallible<WorkerRecord> {
    let lease_left = match columns.maybe_int(4, "lease.ends")? {
        Some(ends) if columns.text(5, "lease.boot")? == boot => {
            let left = u64::try_from(ends.saturating_sub(uptime)).unwrap_or(0);
            Some(Duration::from_millis(left))
        }
        Some(_) => Some(Duration::ZERO),
        None => None,
    };
    Ok(WorkerRecord {
        incarnation: columns.incarnation(0, "worker.id")?,
        name: columns.text(1, "worker.name")?.to_owned(),
        listens: columns.text(2, "worker.listens")?.to_owned(),
        tasks: serde_json::from_str(columns.text(7, "worker.tasks")?)
            .map_err(|error| Fault::damaged("worker.tasks", error))?,
        joined_at: columns.time(3, "worker.joined")?,
        lease_left,
        held: columns.size(6, "held")?,
    })
}
