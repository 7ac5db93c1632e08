//! A door for the fuzz targets: what the command line reads and prints. It is there only in a fuzzing
//! build, and semver does not cover it.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use towpath_core::{MessageId, Payload, Timestamp};
use towpath_runtime::Filter;

use crate::args::Cli;
use crate::filter::FilterArgs;
use crate::output::escape;
use crate::values;

#[derive(Parser)]
struct Words {
    #[command(flatten)]
    filter: FilterArgs,
}

/// The filter that flags stand for, as `messages list` reads them.
pub fn filter(words: &[String]) -> Result<Filter, String> {
    let words = std::iter::once("x").chain(words.iter().map(String::as_str));
    let read = Words::try_parse_from(words).map_err(|error| error.to_string())?;
    read.filter.filter().map_err(|failure| failure.report())
}

/// Whether the whole command line is accepted.
pub fn command_line(words: &[String]) -> Result<(), String> {
    let words = std::iter::once("x").chain(words.iter().map(String::as_str));
    Cli::try_parse_from(words)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    values::duration(text)
}

/// A point of time.
pub fn instant(text: &str) -> Result<Timestamp, String> {
    values::instant(text)
}

/// The id of a message, and how it is shown.
pub fn id(text: &str) -> Result<(MessageId, String), String> {
    values::id(text).map(|id| (id.id, id.to_string()))
}

/// A name and a value.
pub fn pair(text: &str) -> Result<(String, String), String> {
    values::pair(text)
}

/// The arguments of a task.
pub fn json(text: &str) -> Result<Payload, String> {
    values::JsonArg::Text(text.to_owned())
        .read()
        .map_err(|failure| failure.report())
}

/// Where metrics are served.
pub fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    values::metrics_address(text)
}

/// The text as each of the outputs shows it: one line, several lines, JSON, a word of the shell.
pub fn shown(text: &str) -> [String; 4] {
    [
        escape::line(text).into_owned(),
        escape::text(text).into_owned(),
        escape::json(text).into_owned(),
        escape::shell_word(text).into_owned(),
    ]
}
