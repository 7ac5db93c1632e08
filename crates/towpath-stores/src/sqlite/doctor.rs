//! Doctor: checks the file itself, and that every structure leads to a message that stands there.

use rusqlite::Connection;
use towpath_core::StoreUrl;
use towpath_core::store::Finding;

use super::connection::{self, Opened, Role};
use super::error::Fallible;
use super::location::Location;
use super::schema;
use super::statement::statement;

/// How many findings of one kind are told one by one.
const TOLD_MAX: i64 = 10;

/// Examines the store on a connection of its own: it reads the whole file, and others go on meanwhile.
pub(super) fn examine(url: &StoreUrl, location: &Location) -> towpath_core::Result<Vec<Finding>> {
    let opened = connection::open(url, location, Role::Reader)?;
    let findings =
        findings(&opened, location).map_err(|fault| fault.into_error(&location.file).about(url));
    connection::close(opened, location);
    findings
}

fn findings(opened: &Opened, location: &Location) -> Fallible<Vec<Finding>> {
    let db = &opened.db;
    // One snapshot: what moves meanwhile is not a finding.
    db.execute_batch("BEGIN")?;
    let mut findings = Vec::new();
    let file = location.file.display().to_string();
    integrity(db, &file, &mut findings)?;
    version(db, &file, &mut findings)?;
    strays(db, &mut findings)?;
    db.execute_batch("COMMIT")?;
    Ok(findings)
}

fn integrity(db: &Connection, file: &str, findings: &mut Vec<Finding>) -> Fallible<()> {
    let mut statement = db.prepare(&format!("PRAGMA integrity_check({TOLD_MAX})"))?;
    let said = statement.query_map([], |row| row.get::<_, String>(0))?;
    for said in said {
        let said = said?;
        if said != "ok" {
            findings.push(Finding {
                about: file.to_owned(),
                problem: format!("is damaged: {said}; restore a backup"),
            });
        }
    }
    Ok(())
}

fn version(db: &Connection, file: &str, findings: &mut Vec<Finding>) -> Fallible<()> {
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = schema::version();
    if found != known {
        findings.push(Finding {
            about: file.to_owned(),
            problem: format!(
                "has schema {found} since a newer program opened it, this one knows {known}; \
                 use the newer one"
            ),
        });
    }
    Ok(())
}

/// Rows of each structure that lead nowhere, and messages that stand nowhere.
fn strays(db: &Connection, findings: &mut Vec<Finding>) -> Fallible<()> {
    let mut statement = db.prepare(statement!("strays"))?;
    let found = statement.query_map([TOLD_MAX], |row| {
        Ok(Finding {
            about: row.get(0)?,
            problem: row.get(1)?,
        })
    })?;
    for finding in found {
        findings.push(finding?);
    }
    Ok(())
}
