//! `messages list`: the messages of a store, a page at a time.

use serde::Serialize;
use towpath_core::message::Record;
use towpath_core::store::{Cursor, Section};
use towpath_core::{State, Timestamp, limits};

use crate::env::Env;
use crate::exit::{Exit, Failure, Result};
use crate::filter::{FilterArgs, sections};
use crate::output::{MessageView, Table, age};

/// List messages
///
/// The newest come first, but on Redis, which keeps no such order: there one state after the other. Of
/// ready messages (--state ready) the order of their lines, of scheduled ones the soonest. A filter is applied while the store is read, so that one which selects little reads
/// much; --state reads only what is in that state.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath messages list --state ready --queue mail
  towpath messages list --task add --older-than 1h --json

With --json one document: {\"messages\": […], \"scanned\", \"next\"}. Each message is as in `messages show`.
\"next\" is what --after takes for the next page, or null at the end.")]
pub(crate) struct Args {
    #[command(flatten)]
    page: PageArgs,
}

/// Which page.
#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// List at most this many messages, 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Go on where a list before ended; it prints what to write here
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    after: Option<Place>,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Where a list ended: a cursor, and the section it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    section: Section,
    cursor: Cursor,
}

const SECTIONS: [(&str, Section); 6] = [
    ("all", Section::All),
    ("ready", Section::Ready),
    ("scheduled", Section::Scheduled),
    ("running", Section::Running),
    ("succeeded", Section::Succeeded),
    ("dead", Section::Dead),
];

fn cursor(text: &str) -> std::result::Result<Place, String> {
    let read = || {
        let (name, numbers) = text.split_once(':')?;
        let (_, section) = SECTIONS.into_iter().find(|(known, _)| *known == name)?;
        let numbers: Option<Vec<i64>> = numbers.split('.').map(|n| n.parse().ok()).collect();
        Some(Place {
            section,
            cursor: Cursor(numbers?),
        })
    };
    read().ok_or_else(|| "not a place that a list has printed".to_owned())
}

fn cursor_text(place: &Place) -> String {
    let name = SECTIONS
        .iter()
        .find(|(_, section)| *section == place.section);
    let numbers: Vec<_> = place.cursor.0.iter().map(ToString::to_string).collect();
    format!(
        "{}:{}",
        name.map_or("all", |(name, _)| name),
        numbers.join(".")
    )
}

/// A page of a list.
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    pub(crate) now: Timestamp,
    scanned: usize,
    next: Option<Place>,
}

#[derive(Serialize)]
struct View<'a> {
    messages: Vec<MessageView<'a>>,
    scanned: usize,
    next: Option<String>,
}

pub(crate) async fn run(args: Args, env: &Env) -> Result {
    let page = read(&args.page, Section::All, env).await?;
    show(&page, &record_table(&page.records, page.now), env)
}

/// Reads a page of what the filter selects within `section`.
pub(crate) async fn read(args: &PageArgs, section: Section, env: &Env) -> Result<Page> {
    let broker = env.broker();
    let filter = args.filter.filter()?;
    let Some(section) = sections(&filter, &[section]).pop() else {
        return Err(Failure::usage(
            "no message in that state can be in this list",
        ));
    };
    let mut after = match &args.after {
        Some(place) if place.section != section => {
            return Err(Failure::usage("--after is a place of another list"));
        }
        place => place.as_ref().map(|place| place.cursor.clone()),
    };
    let now = env.app.store().now().await?;
    let limit = usize::try_from(args.limit).unwrap_or(limits::WINDOW);
    let (mut records, mut scanned) = (Vec::new(), 0);
    loop {
        let room = limit - records.len();
        // Without a filter every row counts, so not one too many is read.
        let size = if filter.is_empty() {
            room
        } else {
            limits::WINDOW
        };
        let window = broker.list(section, after.clone(), size).await?;
        let matching = |(_, record): &(usize, &Record)| filter.matches(record, now);
        let last = window
            .records
            .iter()
            .enumerate()
            .filter(matching)
            .nth(room - 1);
        // The page is full within the window: its place is asked for again, cut there.
        let cut = last
            .map(|(index, _)| index + 1)
            .filter(|cut| *cut < window.records.len());
        let window = match cut {
            Some(cut) => broker.list(section, after, cut).await?,
            None => window,
        };
        scanned += window.scanned;
        records.extend(
            window
                .records
                .into_iter()
                .filter(|record| filter.matches(record, now)),
        );
        after = window.next;
        if after.is_none() || records.len() >= limit {
            break;
        }
    }
    let next = after.map(|cursor| Place { section, cursor });
    Ok(Page {
        records,
        now,
        scanned,
        next,
    })
}

/// Prints a page, as `table` for people.
pub(crate) fn show(page: &Page, table: &Table, env: &Env) -> Result {
    let next = page.next.as_ref().map(cursor_text);
    if env.json() {
        let codecs = env.app.codecs();
        let messages = page
            .records
            .iter()
            .map(|record| MessageView::new(record, codecs))
            .collect();
        env.out.json(&View {
            messages,
            scanned: page.scanned,
            next,
        })?;
        return Ok(Exit::Ok);
    }
    env.out.table(table, "no message")?;
    if let Some(next) = next {
        env.out.line(format_args!(
            "\nmore: repeat the command with --after {next}"
        ))?;
    }
    Ok(Exit::Ok)
}

/// Messages as a table, with what there is to say of each.
pub(crate) fn record_table(records: &[Record], now: Timestamp) -> Table {
    let mut table = Table::new(["ID", "TASK", "QUEUE", "STATUS", "SUBMITTED", "REMARK"]);
    for record in records {
        table.row([
            record.id.to_string(),
            record.task.to_string(),
            record.queue.to_string(),
            record.status().to_string(),
            age::relative(record.submitted_at, now),
            remark(record, now),
        ]);
    }
    table
}

fn remark(record: &Record, now: Timestamp) -> String {
    let error = record.error().map(ToString::to_string);
    let reason = record.reason.map(|reason| reason.to_string());
    let place = match record.state {
        State::Scheduled => Some(format!("due {}", age::relative(record.due_at, now))),
        State::Ready if record.paused => Some("its queue is paused".to_owned()),
        State::Running => record.worker.as_ref().map(|worker| format!("on {worker}")),
        State::Failed => reason,
        State::Ready | State::Succeeded | State::Revoked => None,
    };
    // The error of an attempt that was made good is history.
    let error = error.filter(|_| record.state != State::Succeeded);
    let parts: Vec<_> = [place, error].into_iter().flatten().collect();
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back_what_they_print() {
        let place = Place {
            section: Section::Dead,
            cursor: Cursor(vec![1, -2, 3]),
        };
        assert_eq!(cursor_text(&place), "dead:1.-2.3");
        assert_eq!(cursor("dead:1.-2.3"), Ok(place));
        for bad in ["", "dead", "dead:", "dead:x", "cellar:1", "dead:1..2"] {
            assert!(cursor(bad).is_err(), "{bad}");
        }
    }
}
