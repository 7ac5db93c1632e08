//! Which messages a list or a bulk verb means: the same flags everywhere.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use towpath_core::store::Section;
use towpath_core::{FailReason, QueueName, State, TaskName};
use towpath_runtime::Filter;

use crate::exit::{Failure, Result};
use crate::values::{Pair, duration, pair};

/// Selects messages; all flags given must hold.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which messages")]
pub(crate) struct FilterArgs {
    /// Only messages of this queue, by its exact name
    #[arg(long, value_name = "QUEUE")]
    pub(crate) queue: Option<QueueName>,
    /// Only messages of this task, by its exact name
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<TaskName>,
    /// Only messages in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    pub(crate) state: Option<State>,
    /// Only dead letters that died of this
    ///
    /// exhausted: its retries are spent. rejected: trying again cannot help. lost: its worker died too
    /// often. expired: not run in time. revoked: called off.
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    pub(crate) reason: Option<Reason>,
    /// Only messages submitted at least this long ago, such as 1h or 2d
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) older_than: Option<Duration>,
    /// Only messages submitted at most this long ago, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) newer_than: Option<Duration>,
    /// Only messages whose last error holds this text, in its name or its message
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,
    /// Only messages with this metadata; may be repeated, all must hold
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) metadata: Vec<Pair>,
}

/// Why a message is a dead letter, as people ask for it: revoked ones among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Failed(FailReason),
    Revoked,
}

fn states() -> impl TypedValueParser<Value = State> {
    PossibleValuesParser::new(State::ALL.map(State::as_str)).map(|word| {
        let state = State::ALL.into_iter().find(|state| state.as_str() == word);
        state.expect("only the words above pass")
    })
}

fn reasons() -> impl TypedValueParser<Value = Reason> {
    let words = FailReason::ALL.map(FailReason::as_str).into_iter();
    PossibleValuesParser::new(words.chain(["revoked"])).map(|word| {
        let reason = FailReason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word);
        reason.map_or(Reason::Revoked, Reason::Failed)
    })
}

impl FilterArgs {
    /// Whether no flag was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.as_filter().is_empty() && self.reason.is_none()
    }

    /// The flags as the library takes them.
    ///
    /// # Errors
    ///
    /// When the state and the reason exclude each other, so that nothing could be meant.
    pub(crate) fn filter(&self) -> Result<Filter> {
        let mut filter = self.as_filter();
        let state = match self.reason {
            None => return Ok(filter),
            Some(Reason::Failed(reason)) => {
                filter.reason = Some(reason);
                State::Failed
            }
            Some(Reason::Revoked) => State::Revoked,
        };
        if let Some(other) = filter.state.replace(state).filter(|other| *other != state) {
            return Err(Failure::usage(format!(
                "--state {other} and --reason exclude each other: that reason is one of {state} messages"
            )));
        }
        Ok(filter)
    }

    fn as_filter(&self) -> Filter {
        let mut filter = Filter::default();
        filter.queue.clone_from(&self.queue);
        filter.task.clone_from(&self.task);
        filter.state = self.state;
        filter.older_than = self.older_than;
        filter.newer_than = self.newer_than;
        filter.error_contains.clone_from(&self.error);
        filter.metadata.clone_from(&self.metadata);
        filter
    }
}

/// The parts of the store, of those in `sections`, that can hold what the filter selects.
///
/// The state says where a message stands, so that nothing else has to be read.
pub(crate) fn sections(filter: &Filter, sections: &[Section]) -> Vec<Section> {
    match filter.state.map(section_of) {
        None => sections.to_vec(),
        Some(only) if sections.contains(&only) || sections == [Section::All] => vec![only],
        Some(_) => Vec::new(),
    }
}

/// Where messages of a state stand.
pub(crate) fn section_of(state: State) -> Section {
    match state {
        State::Scheduled => Section::Scheduled,
        State::Ready => Section::Ready,
        State::Running => Section::Running,
        State::Succeeded => Section::Succeeded,
        State::Failed | State::Revoked => Section::Dead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn parse(line: &str) -> FilterArgs {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().filter
    }

    #[test]
    fn no_flag_is_an_empty_filter() {
        assert!(parse("").is_empty());
        assert!(!parse("--queue q").is_empty());
        assert!(!parse("--meta a=b").is_empty());
    }

    #[test]
    fn revoked_is_a_reason_to_people_and_a_state_to_the_store() {
        let filter = parse("--reason revoked").filter().unwrap();
        assert_eq!((filter.state, filter.reason), (Some(State::Revoked), None));
        let filter = parse("--reason lost").filter().unwrap();
        assert_eq!(filter.state, Some(State::Failed));
        assert_eq!(filter.reason, Some(FailReason::Lost));
        assert!(parse("--reason lost --state failed").filter().is_ok());
        assert!(parse("--reason lost --state ready").filter().is_err());
    }

    #[test]
    fn the_state_says_which_part_of_the_store_is_read() {
        let check = |line: &str, among: &[Section], expected: &[Section]| {
            let filter = parse(line).filter().unwrap();
            assert_eq!(sections(&filter, among), expected, "{line}");
        };
        check("", &[Section::All], &[Section::All]);
        check("--state ready", &[Section::All], &[Section::Ready]);
        check("--reason expired", &[Section::All], &[Section::Dead]);
        check("--state revoked", &[Section::Dead], &[Section::Dead]);
        check("--state ready", &[Section::Dead], &[]);
        check(
            "--queue q",
            &[Section::Ready, Section::Running],
            &[Section::Ready, Section::Running],
        );
    }

    #[test]
    fn words_out_of_their_set_are_refused() {
        for line in [
            "--state done",
            "--reason tired",
            "--older-than -1s",
            "--queue=",
            "--meta x",
        ] {
            let words = std::iter::once("x").chain(line.split_whitespace());
            assert!(Line::try_parse_from(words).is_err(), "{line}");
        }
    }
}
