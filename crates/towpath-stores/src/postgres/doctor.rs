//! Doctor: checks that the schema is current, that the server keeps what it accepts, and that every structure leads
//! to a message that stands there.

use towpath_core::store::Finding;

use super::columns::Columns;
use super::error::Fallible;
use super::statement::statement;
use super::tx::Tx;
use super::{migrate, settings};

/// How many findings of one kind are told one by one.
const TOLD_MAX: i64 = 10;

pub(super) async fn examine(tx: &Tx<'_>) -> Fallible<Vec<Finding>> {
    let mut findings = Vec::new();
    let sql = "SELECT max(number) AS applied, current_schema()::text AS schema FROM migration";
    let row = tx.query_one(sql, &[]).await?;
    let columns = Columns(&row);
    let applied = columns.maybe_int("applied")?;
    let applied = applied.and_then(|applied| u32::try_from(applied).ok());
    let known = migrate::known();
    if applied != Some(known) {
        let applied = applied.unwrap_or(0);
        findings.push(Finding {
            about: format!("schema {:?}", columns.text("schema")?),
            problem: format!(
                "has migration {applied} since another program opened it, this one knows {known}; \
                 use the newer one"
            ),
        });
    }
    findings.extend(settings::judge(&tx.query_one(settings::ASK, &[]).await?)?);
    // One statement sees one state of the whole: what moves meanwhile is not a finding.
    for row in &tx.query(statement!("strays"), &[&TOLD_MAX]).await? {
        let columns = Columns(row);
        findings.push(Finding {
            about: columns.text("about")?.to_owned(),
            problem: columns.text("problem")?.to_owned(),
        });
    }
    Ok(findings)
}
