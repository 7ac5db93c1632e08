//! The schema: numbered migrations, applied in order, once each, by whoever comes first.
//!
//! Any number of processes may open a store at once: the one that holds the advisory lock migrates, the
//! others wait and find it done. Where the URL says `migrate=off`, opening only looks, and somebody applies them
//! by hand: with [`up`], or with the statements that [`sql`] tells. Files name no schema; the transaction that runs them looks for every name in
//! the namespace's schema alone. After the migrations the functions are replaced as a whole, so whoever
//! changes one adds a migration, be it an empty one.

use std::fmt::Write;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use towpath_core::store::{Answer, Schema, SchemaStatus};
use towpath_core::url::Migration;
use towpath_core::{Error, Kind, Result, StoreUrl};

use super::connection::{Place, channel, dial, quoted, timed_out};
use super::error::{Fallible, Fault, translate};

/// Longest wait for a schema to be brought up to date, by us or by another.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Told of our table, so that another program's of the same name is not taken for it.
const MARK: &str = "The migrations of Towpath that were applied here.";

/// The steps from nothing to the present schema; never edited, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_submit_by_sql.sql"),
    include_str!("migrations/0003_values_and_locks.sql"),
    include_str!("migrations/0004_faster_functions.sql"),
];

/// The functions of the present schema.
const FUNCTIONS: &[&str] = &[
    include_str!("functions/clock.sql"),
    include_str!("functions/alive.sql"),
    include_str!("functions/submit_batch.sql"),
    include_str!("functions/submit_within.sql"),
    include_str!("functions/checks.sql"),
    include_str!("functions/message_options.sql"),
    include_str!("functions/submit_message.sql"),
    include_str!("functions/claim_lines.sql"),
    include_str!("functions/claim_heads.sql"),
    include_str!("functions/claim.sql"),
    include_str!("functions/succeed.sql"),
    include_str!("functions/hold.sql"),
    include_str!("functions/shift.sql"),
    include_str!("functions/remember.sql"),
    include_str!("functions/erase.sql"),
    include_str!("functions/bury.sql"),
    include_str!("functions/promote.sql"),
    include_str!("functions/prune.sql"),
    include_str!("functions/lease.sql"),
    include_str!("functions/note.sql"),
    include_str!("functions/sets.sql"),
    include_str!("functions/values.sql"),
    include_str!("functions/channel.sql"),
    include_str!("functions/lock.sql"),
];

/// The number of the last migration that this program knows.
pub fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// A script that brings a schema from `applied` to the present, to be read, or run by hand: in psql, or by a tool
/// that migrates. A transaction of its own.
pub fn sql(schema: &str, applied: u32) -> String {
    let make = make_schema(schema);
    let statements = statements(schema, applied);
    format!("BEGIN;\n{make}\n{statements}COMMIT;\n")
}

/// Makes the schema unless it is there. Asked first, because even "IF NOT EXISTS" needs the right to create one.
fn make_schema(schema: &str) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let (name, schema) = (literal(schema), quoted(schema));
    let body = literal(&format!(
        "BEGIN IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {name}) THEN CREATE SCHEMA {schema}; \
         END IF; END"
    ));
    format!("DO {body};")
}

/// The statements from `applied` to the present.
fn statements(schema: &str, applied: u32) -> String {
    let name = quoted(schema);
    // Named last, or a session's temporary tables would come before ours in the functions that keep this path.
    let mut text = format!("SET LOCAL search_path TO {name}, pg_temp;\n");
    if applied == 0 {
        let _infallible = write!(
            text,
            "CREATE TABLE migration (number integer PRIMARY KEY, \
             applied_at timestamptz NOT NULL DEFAULT clock_timestamp());\n\
             COMMENT ON TABLE migration IS '{MARK}';\n"
        );
    }
    for (number, migration) in (1..)
        .zip(MIGRATIONS)
        .filter(|(number, _)| *number > applied)
    {
        let _infallible = write!(
            text,
            "{migration}\nINSERT INTO migration (number) VALUES ({number});\n"
        );
    }
    text + &FUNCTIONS.concat() + &channel_function(schema)
}

/// How far the schema is that `url` names. Changes nothing. Within a tokio runtime.
///
/// # Errors
///
/// [`Kind::Incompatible`] when it is not ours, or newer than this program; else as a verb of the store.
pub async fn status(url: &StoreUrl) -> Result<SchemaStatus> {
    connected(url, found).await
}

/// Brings the schema that `url` names up to date, in one transaction; answers how far it was. Safe to repeat,
/// and for many at once. Within a tokio runtime.
///
/// ```no_run
/// use towpath_stores::postgres::migrate;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // As somebody who may create a schema. Those who work with it write `migrate=off`.
/// let url = "postgres://owner:secret@db.example.com/app?namespace=jobs".parse()?;
/// let before = migrate::up(&url).await?;
/// assert!(migrate::status(&url).await?.is_current());
/// # Ok::<(), towpath_core::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// As [`status`], and where the user may not.
pub async fn up(url: &StoreUrl) -> Result<SchemaStatus> {
    connected(url, apply).await
}

/// Tells the channel of this schema to whoever rings it by SQL.
fn channel_function(schema: &str) -> String {
    let channel = channel(schema);
    format!(
        "CREATE OR REPLACE FUNCTION channel() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '{channel}' $$;\n"
    )
}

/// Works on a connection of its own, to the schema that `url` names.
async fn connected<T>(
    url: &StoreUrl,
    work: impl AsyncFnOnce(&Client, &str) -> Fallible<T>,
) -> Result<T> {
    let place = Place::of(url)?;
    let (client, wire) = dial(&place).await?;
    let work = tokio::time::timeout(PATIENCE, work(&client, &place.schema));
    tokio::select! {
        done = work => match done {
            Ok(done) => done.map_err(|fault| fault.about(url).into_error(url)),
            Err(_) => Err(timed_out(url)),
        },
        // The wire is driven here, so that no task is left behind.
        lost = wire => Err(match lost {
            Err(error) => translate(error, url),
            Ok(()) => timed_out(url),
        }),
    }
}

/// Sees to it that the schema is the one that this program knows: brings it up to date, or only looks.
pub(super) async fn ensure(client: &Client, place: &Place) -> Fallible<()> {
    let schema = &place.schema;
    let status = found(client, schema).await?;
    if status.is_current() {
        return Ok(());
    }
    if place.url.migration() == Migration::Off {
        return Err(behind(schema, status, "migrate=off leaves that to others").into());
    }
    match apply(client, schema).await {
        Err(Fault::Engine(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let said = error.as_db_error().map_or("", |said| said.message());
            let refused = behind(schema, status, &format!("this user may not do it ({said})"));
            Err(refused.with_source(error).into())
        }
        done => done.map(drop),
    }
}

/// The refusal of a schema that somebody has to bring up to date first.
fn behind(schema: &str, status: SchemaStatus, why: &str) -> Error {
    let SchemaStatus { applied, known } = status;
    let what = match applied {
        0 => format!("the schema {schema:?} is not there"),
        _ => format!("the schema {schema:?} is at {applied}, this program needs {known}"),
    };
    let text = format!(
        "{what}, and {why}; run `towpath migrate up` as somebody who may create in this database, then grant"
    );
    Error::new(Kind::Incompatible, text)
}

async fn found(client: &Client, schema: &str) -> Fallible<SchemaStatus> {
    let sql = "SELECT coalesce((SELECT obj_description(t.oid, 'pg_class') FROM pg_class AS t \
                 WHERE t.relnamespace = n.oid AND t.relname = 'migration'), ''), \
                 (SELECT count(*) FROM pg_class AS t WHERE t.relnamespace = n.oid) \
               FROM pg_namespace AS n WHERE n.nspname = $1";
    let nothing = SchemaStatus {
        applied: 0,
        known: known(),
    };
    let Some(found) = client.query_opt(sql, &[&schema]).await? else {
        return Ok(nothing);
    };
    let (mark, relations): (&str, i64) = (found.try_get(0)?, found.try_get(1)?);
    if mark != MARK {
        if relations == 0 {
            return Ok(nothing);
        }
        return Err(Error::new(
            Kind::Incompatible,
            format!(
                "the schema {schema:?} holds tables of another program; choose another namespace"
            ),
        )
        .into());
    }
    let name = quoted(schema);
    let sql = format!("SELECT coalesce(max(number), 0) FROM {name}.migration");
    let applied: i32 = client.query_one(&sql, &[]).await?.try_get(0)?;
    let applied = u32::try_from(applied).map_err(|_| Fault::damaged("number", "is below 0"))?;
    let known = known();
    if applied > known {
        return Err(Error::new(
            Kind::Incompatible,
            format!(
                "the store has schema {applied}, this program knows up to {known}; \
                 use the newer program that migrated it"
            ),
        )
        .into());
    }
    Ok(SchemaStatus { applied, known })
}

/// Brings the schema up to date, in one transaction; answers how far it was.
async fn apply(client: &Client, schema: &str) -> Fallible<SchemaStatus> {
    let patience = PATIENCE.as_secs();
    client
        .batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '{patience}s'; SET LOCAL statement_timeout = '{patience}s'"))
        .await?;
    let done = apply_in_transaction(client, schema).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await;
    let before = done?;
    ended?;
    Ok(before)
}

async fn apply_in_transaction(client: &Client, schema: &str) -> Fallible<SchemaStatus> {
    // One lock per namespace and database, until the transaction ends.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('towpath migration ' || $1, 0))";
    client.query_one(lock, &[&schema]).await?;
    // Somebody else may have done it while we waited.
    let status = found(client, schema).await?;
    if status.is_current() {
        return Ok(status);
    }
    client.batch_execute(&make_schema(schema)).await?;
    let statements = statements(schema, status.applied);
    client.batch_execute(&statements).await?;
    Ok(status)
}

/// The migrations of the namespace that a URL names.
#[derive(Debug)]
pub(crate) struct Migrations {
    url: StoreUrl,
}

impl Migrations {
    pub(crate) fn of(url: &StoreUrl) -> Result<Self> {
        Place::of(url)?;
        Ok(Self { url: url.clone() })
    }
}

impl Schema for Migrations {
    fn status(&self) -> Answer<'_, SchemaStatus> {
        Box::pin(status(&self.url))
    }

    fn up(&self) -> Answer<'_, SchemaStatus> {
        Box::pin(up(&self.url))
    }

    fn sql(&self, applied: u32) -> String {
        sql(self.url.namespace().as_str(), applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_name_the_schema_once_and_quoted() {
        let text = statements("it's \"mine\"", 0);
        assert!(text.starts_with("SET LOCAL search_path TO \"it's \"\"mine\"\"\", pg_temp;\n"));
        assert_eq!(text.matches("mine").count(), 1);
        assert!(text.contains("VALUES (1);"));
    }

    #[test]
    fn a_function_changes_only_with_a_migration() {
        let text = FUNCTIONS.concat();
        let fingerprint = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // A database that has this migration keeps the functions that came with it: add one, be it empty,
        // and write its number here with the new fingerprint.
        assert_eq!((known(), fingerprint), (4, 11_482_247_807_588_749_831));
    }

    #[test]
    fn what_was_applied_is_not_applied_again() {
        let text = statements("s", known());
        assert!(!text.contains("CREATE TABLE"));
        let text = statements("s", 1);
        assert!(text.contains("VALUES (4);"));
        assert!(text.contains("FUNCTION claim("));
    }
}
