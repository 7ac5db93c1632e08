//! Locks: taken, renewed, released.

use rusqlite::{Connection, params};
use towpath_core::limits::{self, LOCK_BATCH};
use towpath_core::name::{LockName, LockOwner};
use towpath_core::store::{LockRecord, LockRequest, LockToken, Locked, Topic};
use towpath_core::{Clock, Error, Kind, Result};

use std::time::Duration;

use super::columns::{Columns, millis};
use super::error::{Fallible, Fault};
use super::reader::Look;
use super::statement::statement;
use super::tx::Tx;

/// The clocks by which a lock holds: that of this start of the machine, and the wall clock.
struct Clocks {
    boot: String,
    uptime: i64,
    now: i64,
}

impl Clocks {
    fn read(clock: &dyn Clock) -> Self {
        Self {
            boot: clock.boot().to_string(),
            uptime: millis(clock.uptime()),
            now: clock.now().as_millis(),
        }
    }

    /// What `boot`, `ends` and `until` say of a lock that holds that long from now.
    fn end(&self, ttl: Option<Duration>) -> (Option<&str>, Option<i64>, Option<i64>) {
        let Some(ttl) = ttl.map(millis) else {
            return (None, None, None);
        };
        let (ends, until) = (
            self.uptime.saturating_add(ttl),
            self.now.saturating_add(ttl),
        );
        (Some(&self.boot), Some(ends), Some(until))
    }
}

pub(super) fn lock(tx: &mut Tx<'_>, request: &LockRequest) -> Fallible<Locked> {
    let clocks = Clocks::read(tx.clock);
    if let Some(record) = holder(tx.db, tx.ns, &clocks, &request.name)? {
        return Ok(Locked::Held(record));
    }
    // So that those which nobody releases do not become ever more.
    let swept = params![clocks.boot, clocks.uptime, clocks.now];
    tx.db
        .prepare_cached(statement!("sweep_locks"))?
        .execute(swept)?;
    let fence: i64 = tx
        .db
        .prepare_cached("UPDATE namespace SET fence = fence + 1 WHERE ns = ?1 RETURNING fence")?
        .query_row([tx.ns], |row| row.get(0))?;
    let (boot, ends, until) = clocks.end(request.ttl);
    let sql = "INSERT OR REPLACE INTO lock (ns, name, owner, fence, taken, boot, ends, until) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (name, owner) = (request.name.as_str(), request.owner.as_str());
    tx.db.prepare_cached(sql)?.execute(params![
        tx.ns, name, owner, fence, clocks.now, boot, ends, until
    ])?;
    Ok(Locked::Taken(LockToken {
        name: request.name.clone(),
        fence: read_fence(fence)?,
    }))
}

pub(super) fn renew(
    db: &Connection,
    ns: i64,
    clock: &dyn Clock,
    renewals: &[(LockToken, Option<Duration>)],
) -> Fallible<Vec<Result<()>>> {
    limits::check_batch("locks", renewals.len(), LOCK_BATCH)?;
    let clocks = Clocks::read(clock);
    let mut update = db.prepare_cached(statement!("renew_lock"))?;
    let mut renew = |(token, ttl): &(LockToken, Option<Duration>)| {
        let (boot, ends, until) = clocks.end(*ttl);
        let renewed = update.execute(params![
            ns,
            token.name.as_str(),
            fence_code(token),
            clocks.boot,
            clocks.uptime,
            clocks.now,
            boot,
            ends,
            until
        ])?;
        Ok(if renewed > 0 {
            Ok(())
        } else {
            Err(lost(token))
        })
    };
    renewals.iter().map(&mut renew).collect()
}

fn lost(token: &LockToken) -> Error {
    let LockToken { name, fence } = token;
    let text = format!("lock {name:?} is not held any more under its number {fence}");
    Error::new(Kind::LeaseLost, text)
}

pub(super) fn unlock(tx: &mut Tx<'_>, tokens: &[LockToken]) -> Fallible<Vec<bool>> {
    limits::check_batch("locks", tokens.len(), LOCK_BATCH)?;
    unlock_linked(tx, tokens)
}

/// Releases the locks that end with an attempt.
pub(super) fn unlock_linked(tx: &mut Tx<'_>, tokens: &[LockToken]) -> Fallible<Vec<bool>> {
    if tokens.is_empty() {
        return Ok(Vec::new());
    }
    let clocks = Clocks::read(tx.clock);
    let mut delete = tx.db.prepare_cached(statement!("unlock"))?;
    let mut unlock = |token: &LockToken| {
        let deleted = delete.execute(params![
            tx.ns,
            token.name.as_str(),
            fence_code(token),
            clocks.boot,
            clocks.uptime,
            clocks.now,
        ])?;
        Ok(deleted > 0)
    };
    let held = tokens
        .iter()
        .map(&mut unlock)
        .collect::<Fallible<Vec<bool>>>()?;
    if held.contains(&true) {
        tx.rings.add(Topic::Unlock);
    }
    Ok(held)
}

pub(super) fn seize(tx: &mut Tx<'_>, names: &[LockName]) -> Fallible<Vec<Option<LockRecord>>> {
    limits::check_batch("locks", names.len(), LOCK_BATCH)?;
    let clocks = Clocks::read(tx.clock);
    let mut delete = tx
        .db
        .prepare_cached("DELETE FROM lock WHERE ns = ?1 AND name = ?2")?;
    let mut seize = |name: &LockName| {
        let holder = holder(tx.db, tx.ns, &clocks, name)?;
        delete.execute((tx.ns, name.as_str()))?;
        Ok(holder)
    };
    let holders = names.iter().map(&mut seize).collect::<Fallible<Vec<_>>>()?;
    if holders.iter().any(Option::is_some) {
        tx.rings.add(Topic::Unlock);
    }
    Ok(holders)
}

pub(super) fn holders(look: &Look<'_>, names: &[LockName]) -> Fallible<Vec<Option<LockRecord>>> {
    limits::check_batch("locks", names.len(), LOCK_BATCH)?;
    let clocks = Clocks::read(look.clock);
    let holder = |name| holder(look.db, look.ns, &clocks, name);
    names.iter().map(holder).collect()
}

fn holder(
    db: &Connection,
    ns: i64,
    clocks: &Clocks,
    name: &LockName,
) -> Fallible<Option<LockRecord>> {
    let mut statement = db.prepare_cached(statement!("holder"))?;
    let asked = params![ns, name.as_str(), clocks.boot, clocks.uptime, clocks.now];
    let mut rows = statement.query(asked)?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    record(&Columns(row), clocks).map(Some)
}

pub(super) fn list(
    look: &Look<'_>,
    after: Option<&LockName>,
    max: usize,
) -> Fallible<Vec<LockRecord>> {
    let clocks = Clocks::read(look.clock);
    let mut statement = look.db.prepare_cached(statement!("list_locks"))?;
    let mut rows = statement.query(params![
        look.ns,
        after.map_or("", LockName::as_str),
        clocks.boot,
        clocks.uptime,
        clocks.now,
        i64::try_from(max.min(limits::WINDOW)).expect("a window is small"),
    ])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(&Columns(row), &clocks)?);
    }
    Ok(records)
}

/// Reads `name`, `owner`, `fence`, `taken`, `boot`, `ends` and `until`.
fn record(columns: &Columns<'_>, clocks: &Clocks) -> Fallible<LockRecord> {
    let name = LockName::new(columns.text(0, "lock.name")?);
    let owner = LockOwner::new(columns.text(1, "lock.owner")?);
    let left = match columns.maybe_text(4, "lock.boot")? {
        None => None,
        Some(boot) if boot == clocks.boot => Some(columns.int(5, "lock.ends")? - clocks.uptime),
        Some(_) => Some(columns.int(6, "lock.until")? - clocks.now),
    };
    let left = left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0)));
    Ok(LockRecord {
        name: name.map_err(|error| Fault::damaged("lock.name", error))?,
        owner: owner.map_err(|error| Fault::damaged("lock.owner", error))?,
        fence: read_fence(columns.int(2, "lock.fence")?)?,
        taken_at: columns.time(3, "lock.taken")?,
        left,
    })
}

fn read_fence(fence: i64) -> Fallible<u64> {
    let damaged = |_| Fault::damaged("lock.fence", format_args!("is {fence}"));
    u64::try_from(fence).map_err(damaged)
}

/// A number that was never given is held by nobody.
fn fence_code(token: &LockToken) -> i64 {
    i64::try_from(token.fence).unwrap_or(-1)
}
