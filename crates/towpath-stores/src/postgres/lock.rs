//! Locks: taken, renewed, released, by the lease clock. The writing is in `functions/lock.sql`.

use std::time::Duration;

use tokio_postgres::Row;
use towpath_core::limits::{self, LOCK_BATCH, WINDOW};
use towpath_core::name::{LockName, LockOwner};
use towpath_core::store::{
    Answer, LockRecord, LockRequest, LockStore, LockToken, Locked, Settle, Topic,
};
use towpath_core::{Error, Kind, Result};

use super::columns::{Columns, millis, rows};
use super::error::{Fallible, Fault};
use super::kv::{flags, placed, texts};
use super::statement::statement;
use super::store::PostgresStore;
use super::tx::{Params, Tx};

async fn lock(tx: &Tx<'_>, request: &LockRequest) -> Fallible<Locked> {
    let LockRequest { name, owner, ttl } = request;
    let asked: Params<'_> = &[
        &tx.now(),
        &tx.uptime(),
        &name.as_str(),
        &owner.as_str(),
        &ttl.map(ttl_code),
    ];
    let sql = "SELECT * FROM take_lock($1, $2, $3, $4, $5)";
    let row = tx.query_one(sql, asked).await?;
    let columns = Columns(&row);
    match columns.maybe_long("taken_fence")? {
        Some(fence) => Ok(Locked::Taken(LockToken {
            name: name.clone(),
            fence: read_fence(fence)?,
        })),
        None => record(&columns, name.clone()).map(Locked::Held),
    }
}

fn ttl_code(ttl: Duration) -> i64 {
    millis(ttl.min(limits::LONGEST))
}

pub(super) async fn renew(
    tx: &Tx<'_>,
    renewals: &[(LockToken, Option<Duration>)],
) -> Fallible<Vec<Result<()>>> {
    limits::check_batch("locks", renewals.len(), LOCK_BATCH)?;
    let (names, fences) = arrays(renewals.iter().map(|(token, _)| token));
    let ttls: Vec<Option<i64>> = renewals.iter().map(|(_, ttl)| ttl.map(ttl_code)).collect();
    let asked: Params<'_> = &[&tx.uptime(), &names, &fences, &ttls];
    let held = flags(tx, "SELECT renew_locks($1, $2, $3, $4)", asked).await?;
    let answer = |((token, _), held): (&(LockToken, _), bool)| {
        if held { Ok(()) } else { Err(lost(token)) }
    };
    Ok(renewals.iter().zip(held).map(answer).collect())
}

fn lost(token: &LockToken) -> Error {
    let LockToken { name, fence } = token;
    let text = format!("lock {name:?} is not held any more under its number {fence}");
    Error::new(Kind::LeaseLost, text)
}

/// Tokens as one array per column. A number that was never given is held by nobody.
fn arrays<'a>(tokens: impl Iterator<Item = &'a LockToken>) -> (Vec<&'a str>, Vec<i64>) {
    tokens
        .map(|token| {
            let fence = i64::try_from(token.fence).unwrap_or(-1);
            (token.name.as_str(), fence)
        })
        .unzip()
}

async fn unlock(tx: &Tx<'_>, tokens: &[LockToken]) -> Fallible<Vec<bool>> {
    limits::check_batch("locks", tokens.len(), LOCK_BATCH)?;
    release(tx, tokens.iter()).await
}

async fn release<'a>(
    tx: &Tx<'_>,
    tokens: impl Iterator<Item = &'a LockToken>,
) -> Fallible<Vec<bool>> {
    let (names, fences) = arrays(tokens);
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let asked: Params<'_> = &[&tx.uptime(), &names, &fences];
    let held = flags(tx, "SELECT unlock($1, $2, $3)", asked).await?;
    if held.contains(&true) {
        tx.ring(Topic::Unlock);
    }
    Ok(held)
}

/// Refuses more locks than may end with one attempt.
pub(super) fn check_linked(item: &Settle) -> Result<()> {
    limits::check_batch("linked locks", item.unlock.len(), limits::LINKED_LOCKS)
}

/// Releases the locks that end with attempts, after all else that the transaction may have to wait for.
pub(super) async fn release_linked(
    tx: &Tx<'_>,
    ended: impl Iterator<Item = &Settle>,
) -> Fallible<()> {
    release(tx, ended.flat_map(|item| &item.unlock)).await?;
    Ok(())
}

async fn seize(tx: &Tx<'_>, names: &[LockName]) -> Fallible<Vec<Option<LockRecord>>> {
    limits::check_batch("locks", names.len(), LOCK_BATCH)?;
    let sql = "SELECT * FROM seize_locks($1, $2)";
    let seized = tx.query(sql, &[&tx.uptime(), &texts(names)]).await?;
    if !seized.is_empty() {
        tx.ring(Topic::Unlock);
    }
    placed(&seized, names, named_record)
}

async fn holders(tx: &Tx<'_>, names: &[LockName]) -> Fallible<Vec<Option<LockRecord>>> {
    limits::check_batch("locks", names.len(), LOCK_BATCH)?;
    let asked: Params<'_> = &[&tx.uptime(), &texts(names)];
    let found = tx.query(statement!("lock_holders"), asked).await?;
    placed(&found, names, named_record)
}

async fn list(tx: &Tx<'_>, after: Option<&LockName>, max: usize) -> Fallible<Vec<LockRecord>> {
    let after = after.map_or("", LockName::as_str);
    let asked: Params<'_> = &[&tx.uptime(), &after, &rows(max.min(WINDOW))];
    let found = tx.query(statement!("lock_list"), asked).await?;
    let read = |row: &Row| named_record(&Columns(row));
    found.iter().map(read).collect()
}

fn named_record(columns: &Columns<'_>) -> Fallible<LockRecord> {
    let name = LockName::new(columns.text("name")?);
    record(
        columns,
        name.map_err(|error| Fault::damaged("name", error))?,
    )
}

fn record(columns: &Columns<'_>, name: LockName) -> Fallible<LockRecord> {
    let owner = LockOwner::new(columns.text("owner")?);
    let left = columns.maybe_long("left_ms")?;
    Ok(LockRecord {
        name,
        owner: owner.map_err(|error| Fault::damaged("owner", error))?,
        fence: read_fence(columns.long("fence")?)?,
        taken_at: columns.time("taken")?,
        left: left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0))),
    })
}

fn read_fence(fence: i64) -> Fallible<u64> {
    u64::try_from(fence).map_err(|_| Fault::damaged("fence", format_args!("is {fence}")))
}

impl LockStore for PostgresStore {
    fn lock(&self, request: LockRequest) -> Answer<'_, Locked> {
        self.verb(async move |tx: &Tx<'_>| lock(tx, &request).await)
    }

    fn renew(&self, renewals: Vec<(LockToken, Option<Duration>)>) -> Answer<'_, Vec<Result<()>>> {
        self.verb(async move |tx: &Tx<'_>| renew(tx, &renewals).await)
    }

    fn unlock(&self, tokens: Vec<LockToken>) -> Answer<'_, Vec<bool>> {
        self.verb(async move |tx: &Tx<'_>| unlock(tx, &tokens).await)
    }

    fn seize(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.verb(async move |tx: &Tx<'_>| seize(tx, &names).await)
    }

    fn holders(&self, names: Vec<LockName>) -> Answer<'_, Vec<Option<LockRecord>>> {
        self.verb(async move |tx: &Tx<'_>| holders(tx, &names).await)
    }

    fn list(&self, after: Option<LockName>, max: usize) -> Answer<'_, Vec<LockRecord>> {
        self.verb(async move |tx: &Tx<'_>| list(tx, after.as_ref(), max).await)
    }
}
