//! The top of the command line: what every command takes, and which commands there are.

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;
use crate::run::Program;
use crate::{
    bench, completions, dead, demo, doctor, locks, messages, migrate, prune, queues, result,
    revoke, status, submit, worker, workers,
};
#[cfg(unix)]
use crate::{cleanup, dir, make};

/// Durable tasks: submit messages, run workers, see what is stuck and why, and mend it.
///
/// Messages wait in a store until a worker that knows their task has run them; a message outlives the
/// process that submitted it and the worker that ran it.
#[derive(Debug, Parser)]
#[command(
    name = "towpath",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Globals {
    /// The store, such as sqlite:jobs.db [env: TOWPATH_STORE]
    ///
    /// sqlite:PATH is a file on this machine, for several processes; memory: ends with the process. For many
    /// machines, in builds with these stores: redis://HOST or rediss://HOST (several nodes of a cluster
    /// after one another, with commas) and postgres://USER@HOST/DATABASE.
    /// redis://HOST (rediss: encrypted) and postgres://HOST (?sslmode=verify-full) are servers, where the
    /// program was built with them.
    /// Without it: what the variable TOWPATH_STORE names, then the store that the program was made
    /// with; for `towpath` itself the file towpath/towpath.db in $XDG_STATE_HOME (~/.local/state).
    /// Settings follow a question mark: namespace=NAME for one application's part of the store,
    /// durability=normal|full for what a loss of power may cost (at most the last 100 ms, or nothing).
    /// Example: sqlite:/var/lib/jobs.db?namespace=mail
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Print JSON for programs instead of text for people
    ///
    /// One document, or one per line where the help of the command says so. Times are milliseconds
    /// since 1970 UTC, durations are milliseconds; their names end in _ms.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How much is logged to standard error
    #[arg(long, global = true, value_name = "LEVEL", value_enum, default_value_t = LogLevel::Warn)]
    pub(crate) log_level: LogLevel,
    /// How it is logged: for people, or one JSON document per line
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// The commands, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Submit(submit::Args),
    Worker(worker::Args),
    Status(status::Args),
    Result(result::Args),
    Queues(queues::Args),
    Messages(messages::Args),
    Dead(dead::Args),
    Revoke(revoke::Args),
    Workers(workers::Args),
    Locks(locks::Args),
    Prune(prune::Args),
    #[cfg(unix)]
    Make(make::Args),
    #[cfg(unix)]
    WithCleanup(cleanup::with_cleanup::Args),
    #[cfg(unix)]
    Defer(cleanup::defer::Args),
    #[cfg(unix)]
    Dir(dir::Args),
    Doctor(doctor::Args),
    Migrate(migrate::Args),
    Bench(bench::Args),
    #[command(name = bench::PEER_COMMAND, hide = true)]
    BenchPeer(bench::PeerArgs),
    Completions(completions::Args),
}

const FIRST_STEPS: &str = "\
First steps:
  towpath demo                                  see it work on the files of this directory
  towpath submit --shell -- sleep 1             submit a command line, printing its id
  towpath worker --allow-shell                  run what waits, until Ctrl-C
  towpath queues                                see what waits where
  towpath dead list                             see what failed for good
Without a store:
  towpath make --out f -- cp g {out}            make a file once, whoever else asks for it
  towpath with-cleanup -- ./build.sh            keep what `defer` has promised in it";

/// The command line of `program`: its name in place of `towpath`, in examples too.
pub(crate) fn command_of(program: &Program) -> clap::Command {
    let command = Cli::command()
        .name(program.name.clone())
        .bin_name(program.name.clone())
        .after_help(format!("{FIRST_STEPS}\n\n{}", Exit::HELP));
    let command = match &program.version {
        Some(version) => command.version(version.clone()),
        None => command.disable_version_flag(true),
    };
    let usage = submit::usage(&program.name);
    let command = command.mut_subcommand("submit", |submit| submit.override_usage(usage));
    renamed(command, &program.name)
}

/// Examples are written for `towpath`; a program of another name shows its own.
fn renamed(mut command: clap::Command, name: &str) -> clap::Command {
    if name == "towpath" {
        return command;
    }
    if let Some(help) = command.get_after_help() {
        let help = help
            .to_string()
            .replace("  towpath ", &format!("  {name} "));
        command = command.after_help(help);
    }
    command.mut_subcommands(|subcommand| renamed(subcommand, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn examples_name_the_program_they_belong_to() {
        let mut command = command_of(&Program {
            name: "jobs".to_owned(),
            version: None,
        });
        command.build();
        check(&mut command);
    }

    fn check(command: &mut clap::Command) {
        let help = command.render_long_help().to_string();
        assert!(!help.contains("  towpath "), "{help}");
        assert!(!help.contains("Usage: towpath"), "{help}");
        command.get_subcommands_mut().for_each(check);
    }
}
