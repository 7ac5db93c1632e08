//! The layout L4: the whole message moves between narrow tables keyed by what they are read by.
//!
//! The fastest of the layouts that were compared for this store before it was built (uuidv7 ids, one
//! queue, one priority). It keeps no way to a message by its id, no status and no result, and knows no
//! tasks, so no store of ours can be as fast. Frozen: figures of different days are compared with it.

use rusqlite::{Connection, params};
use towpath_core::store::Yardstick;
use towpath_core::{MessageId, Result};

use super::transact;
use crate::sqlite::error::Fallible;
use crate::sqlite::location::Location;

const SCHEMA: &str = "
CREATE TABLE l4_ready (queue INTEGER, prio INTEGER, id BLOB, attempt INTEGER, task TEXT, payload BLOB,
  blob INTEGER, PRIMARY KEY (queue, prio, id)) WITHOUT ROWID;
CREATE TABLE l4_lease (until INTEGER, id BLOB, queue INTEGER, prio INTEGER, attempt INTEGER, task TEXT,
  payload BLOB, blob INTEGER, PRIMARY KEY (until, id)) WITHOUT ROWID;
CREATE TABLE l4_blob (n INTEGER PRIMARY KEY, payload BLOB NOT NULL);";
/// A payload above so many bytes stands in a table of its own.
const INLINE_BYTES: usize = 800;
const QUEUE: i64 = 1;
const UNTIL: i64 = 1_700_000_010_000;
/// Twenty bytes, as names of tasks often have.
const TASK: &str = "bench.a_task_of_nine";

#[derive(Debug)]
pub(super) struct L4 {
    db: Connection,
    location: Location,
    held: Vec<([u8; 16], Option<i64>)>,
}

struct Row {
    prio: i64,
    id: [u8; 16],
    attempt: i64,
    task: String,
    payload: Option<Vec<u8>>,
    blob: Option<i64>,
}

impl L4 {
    pub(super) fn new(db: Connection, location: Location) -> Fallible<Self> {
        db.execute_batch(SCHEMA)?;
        Ok(Self {
            db,
            location,
            held: Vec::new(),
        })
    }

    fn written(&mut self, ids: &[MessageId], payload: &[u8]) -> Fallible<()> {
        transact(&self.db, |db| {
            let mut ready =
                db.prepare_cached("INSERT INTO l4_ready VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)")?;
            for id in ids {
                let (inline, blob) = if payload.len() > INLINE_BYTES {
                    db.prepare_cached("INSERT INTO l4_blob (payload) VALUES (?1)")?
                        .execute([payload])?;
                    (None, Some(db.last_insert_rowid()))
                } else {
                    (Some(payload), None)
                };
                ready.execute(params![QUEUE, 0, id.as_bytes(), TASK, inline, blob])?;
            }
            Ok(())
        })
    }

    fn exchanged(&mut self, max: usize) -> Fallible<usize> {
        let held = &mut self.held;
        transact(&self.db, |db| {
            let mut settle =
                db.prepare_cached("DELETE FROM l4_lease WHERE until = ?1 AND id = ?2")?;
            for (id, blob) in held.drain(..) {
                settle.execute((UNTIL, id))?;
                if let Some(blob) = blob {
                    db.prepare_cached("DELETE FROM l4_blob WHERE n = ?1")?
                        .execute([blob])?;
                }
            }
            let rows = heads(db, max)?;
            let sql = "DELETE FROM l4_ready WHERE queue = ?1 AND prio = ?2 AND id = ?3";
            let mut take = db.prepare_cached(sql)?;
            let sql = "INSERT INTO l4_lease VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let mut lease = db.prepare_cached(sql)?;
            for row in &rows {
                if let Some(blob) = row.blob {
                    let sql = "SELECT payload FROM l4_blob WHERE n = ?1";
                    let payload: Vec<u8> = db
                        .prepare_cached(sql)?
                        .query_row([blob], |row| row.get(0))?;
                    std::hint::black_box(payload);
                }
                take.execute((QUEUE, row.prio, row.id))?;
                lease.execute(params![
                    UNTIL,
                    row.id,
                    QUEUE,
                    row.prio,
                    row.attempt + 1,
                    row.task,
                    row.payload,
                    row.blob
                ])?;
                held.push((row.id, row.blob));
            }
            Ok(rows.len())
        })
    }
}

fn heads(db: &Connection, max: usize) -> Fallible<Vec<Row>> {
    let sql = "SELECT prio, id, attempt, task, payload, blob FROM l4_ready \
               WHERE queue = ?1 ORDER BY prio, id LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let rows = statement.query_map((QUEUE, max), |row| {
        Ok(Row {
            prio: row.get(0)?,
            id: row.get(1)?,
            attempt: row.get(2)?,
            task: row.get(3)?,
            payload: row.get(4)?,
            blob: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Yardstick for L4 {
    fn submit(&mut self, ids: &[MessageId], payload: &[u8]) -> Result<()> {
        self.written(ids, payload)
            .map_err(|fault| fault.into_error(&self.location.file))
    }

    fn exchange(&mut self, max: usize) -> Result<usize> {
        self.exchanged(max)
            .map_err(|fault| fault.into_error(&self.location.file))
    }
}
