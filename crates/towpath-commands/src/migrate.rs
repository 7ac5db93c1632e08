//! `migrate`: brings the schema of a store up to date, or tells how far it is.

use clap::Subcommand;
use serde::Serialize;
use towpath_core::StoreUrl;
use towpath_core::store::{Schema, SchemaStatus};
use towpath_core::url::Scheme;

use crate::exit::{Exit, Result};
use crate::output::Out;
use crate::store::Migrations;

/// Bring the schema of a store up to date, or see how far it is
///
/// Only Postgres asks for this, and only where the user who works with the store may not change its schema:
/// such a user writes ?migrate=off in his URL, and somebody who may runs `migrate up` before each new
/// version. Everybody else need not care: the first use of a store migrates it.
///
/// On SQLite the file is migrated when it is opened; Redis and memory have no schema.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath migrate status --store postgres://jobs@db/app
  towpath migrate up --store 'postgres://owner@db/app?namespace=jobs'
  towpath migrate up --print-sql --store postgres://jobs@db/app > up.sql")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell how far the schema is
    ///
    /// Changes nothing. Exit code 1 when there is something to apply.
    /// With --json: {"migrations", "applied", "known", "current"}; applied, known and current are null where
    /// the store has no migrations
    Status,
    /// Apply what is missing, in one transaction
    ///
    /// Safe to repeat, and while workers run. With --json: {"migrations", "before", "applied"}; before and
    /// applied are null where the store has no migrations
    Up {
        /// Print the statements that would be run, and change nothing
        ///
        /// One script for psql, or for a tool that migrates; empty where nothing is missing. With --json:
        /// {"migrations", "sql"}
        #[arg(long)]
        print_sql: bool,
    },
}

#[derive(Serialize)]
struct StatusView {
    migrations: bool,
    applied: Option<u32>,
    known: Option<u32>,
    current: Option<bool>,
}

#[derive(Serialize)]
struct UpView {
    migrations: bool,
    before: Option<u32>,
    applied: Option<u32>,
}

#[derive(Serialize)]
struct SqlView {
    migrations: bool,
    sql: Option<String>,
}

pub(crate) async fn run(args: Args, url: &StoreUrl, migrations: Migrations, out: &Out) -> Result {
    let schema = migrations(url)?;
    match (args.command, schema.as_deref()) {
        (command, None) => none(&command, url, out),
        (Command::Status, Some(schema)) => status(schema, url, out).await,
        (Command::Up { print_sql: false }, Some(schema)) => up(schema, url, out).await,
        (Command::Up { print_sql: true }, Some(schema)) => print(schema, out).await,
    }
}

/// What a store does instead that has no migrations to be applied.
fn none(command: &Command, url: &StoreUrl, out: &Out) -> Result {
    if out.json {
        match command {
            Command::Status => out.json(&StatusView {
                migrations: false,
                applied: None,
                known: None,
                current: None,
            })?,
            Command::Up { print_sql: false } => out.json(&UpView {
                migrations: false,
                before: None,
                applied: None,
            })?,
            Command::Up { print_sql: true } => out.json(&SqlView {
                migrations: false,
                sql: None,
            })?,
        }
        return Ok(Exit::Ok);
    }
    out.line(match url.scheme() {
        Scheme::Sqlite => "nothing to do: SQLite migrates the file when it is opened",
        _ => "nothing to do: this store has no schema",
    })?;
    Ok(Exit::Ok)
}

async fn status(schema: &dyn Schema, url: &StoreUrl, out: &Out) -> Result {
    let status = schema.status().await?;
    let SchemaStatus { applied, known } = status;
    let current = status.is_current();
    if out.json {
        out.json(&StatusView {
            migrations: true,
            applied: Some(applied),
            known: Some(known),
            current: Some(current),
        })?;
    } else {
        let namespace = url.namespace();
        out.line(match applied {
            0 => format!("{namespace}: not there yet; `migrate up` makes it"),
            _ if current => format!("{namespace}: up to date, at migration {applied}"),
            _ => format!(
                "{namespace}: at migration {applied} of {known}; `migrate up` applies the rest"
            ),
        })?;
    }
    Ok(if current { Exit::Ok } else { Exit::Failure })
}

async fn up(schema: &dyn Schema, url: &StoreUrl, out: &Out) -> Result {
    let before = schema.up().await?;
    let known = before.known;
    if out.json {
        out.json(&UpView {
            migrations: true,
            before: Some(before.applied),
            applied: Some(known),
        })?;
        return Ok(Exit::Ok);
    }
    let namespace = url.namespace();
    out.line(match before.applied {
        0 => format!("{namespace}: made, at migration {known}"),
        applied if applied == known => format!("{namespace}: was up to date, at migration {known}"),
        applied => format!("{namespace}: from migration {applied} to {known}"),
    })?;
    Ok(Exit::Ok)
}

async fn print(schema: &dyn Schema, out: &Out) -> Result {
    let status = schema.status().await?;
    let sql = (!status.is_current()).then(|| schema.sql(status.applied));
    if out.json {
        let migrations = true;
        out.json(&SqlView { migrations, sql })?;
    } else if let Some(sql) = sql {
        out.line(sql.trim_end())?;
    }
    Ok(Exit::Ok)
}
