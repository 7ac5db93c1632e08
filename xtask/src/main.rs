//! The project's own commands, run as `cargo xtask …`.
//!
//! `test` is everything that must be green before a commit; `tidy` is our own rules alone. The steps of
//! the one stand in a table in `test/steps.rs`, the rules of the other in `tidy/rules.rs`. `instructions`
//! counts what a message costs, `fuzz` feeds hostile input to everything that reads some.

mod fuzz;
mod instructions;
mod matrix;
mod program;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks the Towpath workspace.
///
/// `cargo xtask test` runs every check, and is all that continuous integration runs.
/// `cargo xtask tidy` runs only our own rules, in a second or two.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run all checks in order and stop at the first that fails.
    Test(test::Arguments),
    /// Check our own rules: arrows between crates, module heads, leftovers, lengths, links.
    Tidy(tidy::Arguments),
    /// Count the instructions per message, and compare them with those that are kept.
    Instructions(instructions::Arguments),
    /// Run the fuzz targets one after the other.
    Fuzz(fuzz::Arguments),
    /// Run the tests of the stores on servers against other versions of the servers, downloading them.
    Matrix(matrix::Arguments),
    /// Load, kill and freeze real processes, and verify what became of every message.
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Test(arguments) => test::run(&arguments),
        Verb::Tidy(arguments) => tidy::run(&arguments),
        Verb::Instructions(arguments) => instructions::run(&arguments),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Matrix(arguments) => matrix::run(&arguments),
        Verb::Soak(arguments) => soak::run(&arguments),
    };
    // Returning the error from `main` would add a backtrace of ours, which tells nothing about the check.
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
