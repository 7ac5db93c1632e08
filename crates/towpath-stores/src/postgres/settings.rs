//! The settings of the server on which our promises rest: whether what was accepted outlives it, and whether
//! claims stay fast. The doctor tells what is wrong with them, and so does a warning, once, when a handle
//! first connects.

use tokio_postgres::{Client, Row};
use towpath_core::StoreUrl;
use towpath_core::store::Finding;

use super::columns::Columns;
use super::error::Fallible;

/// The settings of this session, one column each.
pub(super) const ASK: &str = "SELECT current_setting('fsync') AS fsync, \
    current_setting('full_page_writes') AS full_page_writes, \
    current_setting('synchronous_commit') AS synchronous_commit, \
    current_setting('autovacuum') AS autovacuum, current_setting('track_counts') AS track_counts";

const LOSES_ALL: &str =
    "a loss of power may cost accepted messages, or the whole database; turn it on";
const LOSES_LAST: &str = "the server may lose the last accepted messages when it ends; turn it on for this user or database";
const SLOW: &str =
    "nothing forgets what was taken, so claims become slower and tables grow; turn it on";

/// What it costs when one of them is off.
const COSTS: [(&str, &str); 5] = [
    ("fsync", LOSES_ALL),
    ("full_page_writes", LOSES_ALL),
    ("synchronous_commit", LOSES_LAST),
    ("autovacuum", SLOW),
    ("track_counts", SLOW),
];

/// What is wrong with the settings that [`ASK`] was answered.
pub(super) fn judge(row: &Row) -> Fallible<Vec<Finding>> {
    let columns = Columns(row);
    let mut findings = Vec::new();
    for (name, cost) in COSTS {
        if columns.text(name)? == "off" {
            findings.push(Finding {
                about: format!("the server's setting {name}"),
                problem: format!("is off: {cost}"),
            });
        }
    }
    Ok(findings)
}

/// Warns of what is wrong.
pub(super) async fn warn(client: &Client, url: &StoreUrl) -> Fallible<()> {
    let row = client.query_one(ASK, &[]).await?;
    for Finding { about, problem } in judge(&row)? {
        tracing::warn!(store = %url, "{about} {problem}");
    }
    Ok(())
}
