//! `dead list`: the dead letters, with the reason of each.

use towpath_core::Timestamp;
use towpath_core::message::Record;
use towpath_core::store::Section;

use crate::env::Env;
use crate::exit::Result;
use crate::messages::list::{self, PageArgs};
use crate::output::{Table, age};

/// List dead letters
///
/// Those that are kept longest come first, which are mostly the latest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dead list
  towpath dead list --task add --error 'connection refused' --newer-than 1h

With --json one document: {\"messages\": […], \"scanned\", \"next\"}. Each message is as in `messages show`.
\"next\" is what --after takes for the next page, or null at the end.")]
pub(crate) struct Args {
    #[command(flatten)]
    page: PageArgs,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let page = list::read(&args.page, Section::Dead, env).await?;
    list::show(&page, &dead_table(&page.records, page.now), env)
}

fn dead_table(records: &[Record], now: Timestamp) -> Table {
    let mut table = Table::new(["ID", "TASK", "QUEUE", "REASON", "DIED", "ERROR"]);
    for record in records {
        table.row([
            record.id.to_string(),
            record.task.to_string(),
            record.queue.to_string(),
            record
                .reason
                .map_or("revoked", |reason| reason.as_str())
                .to_owned(),
            age::relative(record.finished_at.unwrap_or(record.updated_at), now),
            record.error().map_or_else(String::new, ToString::to_string),
        ]);
    }
    table
}
