//! The store's own statements, in its own order, with nothing around them.
//!
//! What differs from the store: nothing is checked, no clock is read, no caller waits, no bell rings.
//! A statement that changes in `submit`, `claim` or `settle` is to be changed here too.

use rusqlite::params;
use towpath_core::store::Yardstick;
use towpath_core::{MessageId, Result, State};

use super::transact;
use crate::sqlite::columns::state_code;
use crate::sqlite::connection::Opened;
use crate::sqlite::error::Fallible;
use crate::sqlite::location::Location;
use crate::sqlite::statement::statement;

/// Times that the store would read from its clock.
const NOW: i64 = 1_700_000_000_000;
const KEPT: i64 = NOW + 86_400_000;
/// The one line of messages, and the one worker.
const LINE: i64 = 1;
const WORKER: i64 = 1;
const RESULT_VALUE: i64 = 1;

#[derive(Debug)]
pub(super) struct Own {
    opened: Opened,
    location: Location,
    held: Vec<(i64, [u8; 16])>,
}

impl Own {
    pub(super) fn new(opened: Opened, location: Location) -> Fallible<Self> {
        let sql = "INSERT INTO line (l, ns, queue, task, live) VALUES (?1, ?2, 'default', 'bench.nothing', 1)";
        opened.db.execute(sql, (LINE, opened.ns))?;
        Ok(Self {
            opened,
            location,
            held: Vec::new(),
        })
    }

    fn written(&mut self, ids: &[MessageId], payload: &[u8]) -> Fallible<()> {
        transact(&self.opened.db, |db| {
            let _version: i64 = db
                .prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get(0))?;
            let mut message = db.prepare_cached(statement!("insert_plain_message"))?;
            let mut blob =
                db.prepare_cached("INSERT OR REPLACE INTO blob (b, data) VALUES (?1, ?2)")?;
            let mut ready = db.prepare_cached(
                "INSERT OR IGNORE INTO ready (line, priority, due, n) VALUES (?1, ?2, ?3, ?4)",
            )?;
            let inline = crate::sqlite::bodies::inline(payload);
            for id in ids {
                message.execute(params![id.as_bytes(), LINE, false, 0, NOW, NOW, inline])?;
                let n = db.last_insert_rowid();
                if inline.is_none() {
                    blob.execute(params![4 * n, payload])?;
                }
                ready.execute((LINE, 0, NOW, n))?;
            }
            Ok(())
        })
    }

    fn exchanged(&mut self, max: usize) -> Fallible<usize> {
        let Self { opened, held, .. } = self;
        transact(&opened.db, |db| {
            let _version: i64 = db
                .prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get(0))?;
            settle(db, opened.ns, held)?;
            claim(db, opened.ns, max, held)
        })
    }
}

fn settle(db: &rusqlite::Connection, ns: i64, held: &mut Vec<(i64, [u8; 16])>) -> Fallible<()> {
    let mut let_go = db.prepare_cached(
        "DELETE FROM inflight WHERE n = ?1 AND id = ?2 AND worker = ?3 AND claims = ?4",
    )?;
    let mut succeed = db.prepare_cached(statement!("succeed"))?;
    let mut keep = db.prepare_cached(
        "INSERT OR IGNORE INTO finished (ns, dead, kept, n, state) VALUES (?1, 0, ?2, ?3, ?4)",
    )?;
    let state = state_code(State::Succeeded);
    let codec: Option<&str> = None;
    for (n, id) in held.drain(..) {
        let_go.execute(params![n, id, WORKER, 1])?;
        let result: &[u8] = b"null";
        succeed.execute(params![
            n,
            state,
            1,
            NOW,
            KEPT,
            WORKER,
            NOW,
            RESULT_VALUE,
            4,
            codec,
            result
        ])?;
        keep.execute((ns, KEPT, n, state))?;
    }
    Ok(())
}

fn claim(
    db: &rusqlite::Connection,
    ns: i64,
    max: usize,
    held: &mut Vec<(i64, [u8; 16])>,
) -> Fallible<usize> {
    let line: Option<i64> = db
        .prepare_cached("SELECT l FROM line WHERE ns = ?1 AND queue = ?2 AND live = 1")?
        .query_map((ns, "default"), |row| row.get(0))?
        .next()
        .transpose()?;
    let Some(line) = line else { return Ok(0) };
    let heads = db
        .prepare_cached(statement!("read_line"))?
        .query_map(
            params![
                line,
                i64::MIN,
                i64::MIN,
                i64::MIN,
                i64::try_from(max).unwrap_or(i64::MAX)
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .collect::<rusqlite::Result<Vec<(i64, i64, i64)>>>()?;
    let mut message = db.prepare_cached(statement!("claim_message"))?;
    let mut blob = db.prepare_cached("SELECT data FROM blob WHERE b = ?1")?;
    let mut hold = db.prepare_cached(statement!("hold"))?;
    let started: Option<i64> = None;
    for (_, _, n) in &heads {
        let (id, payload): ([u8; 16], Option<Vec<u8>>) =
            message.query_row([n], |row| Ok((row.get(0)?, row.get(11)?)))?;
        let payload: Vec<u8> = match payload {
            Some(payload) => payload,
            None => blob.query_row([4 * n], |row| row.get(0))?,
        };
        // A worker would look at it.
        std::hint::black_box(payload);
        hold.execute(params![n, id, WORKER, 1, NOW, started])?;
        held.push((*n, id));
    }
    if let Some((priority, due, n)) = heads.last() {
        let sql = "DELETE FROM ready WHERE line = ?1 AND (priority, due, n) <= (?2, ?3, ?4)";
        db.prepare_cached(sql)?.execute((line, priority, due, n))?;
        db.prepare_cached("SELECT 1 FROM ready WHERE line = ?1")?
            .exists([line])?;
    }
    Ok(heads.len())
}

impl Yardstick for Own {
    fn submit(&mut self, ids: &[MessageId], payload: &[u8]) -> Result<()> {
        self.written(ids, payload)
            .map_err(|fault| fault.into_error(&self.location.file))
    }

    fn exchange(&mut self, max: usize) -> Result<usize> {
        self.exchanged(max)
            .map_err(|fault| fault.into_error(&self.location.file))
    }
}
