//! The schema: numbered migrations, applied in order, once each, by whoever comes first.
//!
//! Any number of processes may open a store at once: the one that holds the advisory lock migrates, the
//! others wait and find it done. Files name no schema; the transaction that runs them looks for every name in
//! the namespace's schema alone. After the migrations the functions are replaced as a whole, so whoever
//! changes one adds a migration, be it an empty one.

use std::fmt::Write;
use std::time::Duration;

use tokio_postgres::Client;
use towpath_core::{Error, Kind};

use super::connection::quoted;
use super::error::Fallible;

/// Longest wait for a schema to be brought up to date, by us or by another.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Told of our table, so that another program's of the same name is not taken for it.
const MARK: &str = "The migrations of Towpath that were applied here.";

/// The steps from nothing to the present schema; never edited, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_values_and_locks.sql"),
];

/// The functions of the present schema.
const FUNCTIONS: &[&str] = &[
    include_str!("functions/clock.sql"),
    include_str!("functions/alive.sql"),
    include_str!("functions/submit.sql"),
    include_str!("functions/claim_lines.sql"),
    include_str!("functions/claim_heads.sql"),
    include_str!("functions/claim.sql"),
    include_str!("functions/succeed.sql"),
    include_str!("functions/hold.sql"),
    include_str!("functions/shift.sql"),
    include_str!("functions/remember.sql"),
    include_str!("functions/erase.sql"),
    include_str!("functions/promote.sql"),
    include_str!("functions/prune.sql"),
    include_str!("functions/lease.sql"),
    include_str!("functions/note.sql"),
    include_str!("functions/sets.sql"),
    include_str!("functions/values.sql"),
    include_str!("functions/channel.sql"),
    include_str!("functions/lock.sql"),
];

/// How far a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The number of the last migration that was applied; 0 where there is nothing of ours.
    pub applied: i32,
    /// The number of the last that this program knows.
    pub known: i32,
}

/// The number of the last migration that this program knows.
pub fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// The statements that bring a schema from `applied` to the present, to be read or run by hand.
pub fn sql(schema: &str, applied: i32) -> String {
    let name = quoted(schema);
    let mut text = format!("SET LOCAL search_path TO {name};\n");
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
    text + &FUNCTIONS.concat()
}

/// Brings the schema up to date unless it is.
pub(super) async fn ensure(client: &Client, schema: &str) -> Fallible<()> {
    let found = status(client, schema).await?;
    if found.applied < found.known {
        up(client, schema).await?;
    }
    Ok(())
}

/// How far the schema is.
///
/// # Errors
///
/// [`Kind::Incompatible`] when it is not ours, or newer than this program.
pub(super) async fn status(client: &Client, schema: &str) -> Fallible<Status> {
    let sql = "SELECT coalesce((SELECT obj_description(t.oid, 'pg_class') FROM pg_class AS t \
                 WHERE t.relnamespace = n.oid AND t.relname = 'migration'), ''), \
                 (SELECT count(*) FROM pg_class AS t WHERE t.relnamespace = n.oid) \
               FROM pg_namespace AS n WHERE n.nspname = $1";
    let nothing = Status {
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
    Ok(Status { applied, known })
}

/// Brings the schema up to date, in one transaction.
async fn up(client: &Client, schema: &str) -> Fallible<()> {
    let patience = PATIENCE.as_secs();
    client
        .batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '{patience}s'; SET LOCAL statement_timeout = '{patience}s'"))
        .await?;
    let done = up_in_transaction(client, schema).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await;
    done?;
    Ok(ended?)
}

async fn up_in_transaction(client: &Client, schema: &str) -> Fallible<()> {
    // One lock per namespace and database, until the transaction ends.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('towpath migration ' || $1, 0))";
    client.query_one(lock, &[&schema]).await?;
    // Somebody else may have done it while we waited.
    let found = status(client, schema).await?;
    if found.applied == found.known {
        return Ok(());
    }
    let exists = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    // Asked first, because even "IF NOT EXISTS" needs the right to create one.
    if client.query_opt(exists, &[&schema]).await?.is_none() {
        let name = quoted(schema);
        client
            .batch_execute(&format!("CREATE SCHEMA {name}"))
            .await?;
    }
    Ok(client.batch_execute(&sql(schema, found.applied)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_name_the_schema_once_and_quoted() {
        let text = sql("it's \"mine\"", 0);
        assert!(text.starts_with("SET LOCAL search_path TO \"it's \"\"mine\"\"\";\n"));
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
        assert_eq!((known(), fingerprint), (2, 2_780_614_323_687_380_076));
    }

    #[test]
    fn what_was_applied_is_not_applied_again() {
        let text = sql("s", known());
        assert!(!text.contains("CREATE TABLE"));
        assert!(text.contains("FUNCTION claim("));
    }
}
