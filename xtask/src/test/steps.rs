//! The steps of `cargo xtask test`, their order, and the loop that runs them.
//!
//! The order is made for two cores. What needs no compiler comes first. Then come the steps that only
//! type-check, then those that build and run; the one that needs a release build is last. All but
//! `default`, `bare` and `instructions` name the whole workspace with all features and the same profile:
//! cargo chooses the features of a shared dependency from the packages it was asked for, so
//! `-p one-crate` would compile much of the graph once more.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::suite::Servers;
use super::{examples, suite};
use crate::instructions;
use crate::program::{Echo, Program};
use crate::tidy;

#[derive(clap::Args)]
#[command(after_help = steps_help())]
pub(crate) struct Arguments {
    /// Run only these steps (all of them when none is named), in the usual order.
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
    /// Start no servers: the tests that need one pass over themselves and say so.
    #[arg(long)]
    no_servers: bool,
    /// Run only the tests that this filterset of cargo-nextest selects, in the step `tests`.
    #[arg(long, value_name = "FILTERSET")]
    filter: Option<String>,
    /// Show the output of each step as it comes, not only when the step fails.
    #[arg(long, short)]
    verbose: bool,
}

/// One line of the table: a name to type, what it does for the help, and the work itself.
struct Step {
    name: &'static str,
    about: &'static str,
    /// Returns a few words to print beside the time, or an empty string.
    run: fn(Echo) -> Result<String>,
}

/// The steps that servers stand beside.
const TESTS: &str = "tests";
const EXAMPLES: &str = "examples";

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "the format is that of `cargo fmt`",
        run: fmt,
    },
    Step {
        name: "tidy",
        about: "our own rules, see `cargo xtask tidy --help`",
        run: tidy,
    },
    Step {
        name: "clippy",
        about: "no warning of the compiler or of clippy",
        run: clippy,
    },
    Step {
        name: "docs",
        about: "the documentation builds, and every link in it leads somewhere",
        run: docs,
    },
    Step {
        name: "default",
        about: "the facade compiles with its default features",
        run: default,
    },
    Step {
        name: "bare",
        about: "the facade compiles without any feature",
        run: bare,
    },
    Step {
        name: TESTS,
        about: "unit and integration tests beside servers of their own, by cargo-nextest if present",
        run: |echo| suite::run(Servers::Ours, None, echo),
    },
    Step {
        name: "doctests",
        about: "the examples in the documentation run",
        run: doctests,
    },
    Step {
        name: EXAMPLES,
        about: "each program in crates/towpath/examples ends with exit code 0 on every store",
        run: |echo| examples::run(Servers::Ours, echo),
    },
    Step {
        name: "instructions",
        about: "no verb of a store costs more instructions than are kept",
        run: instructions::check,
    },
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let steps = choose(&arguments.steps)?;
    let echo = if arguments.verbose {
        Echo::Live
    } else {
        Echo::OnFailure
    };
    let servers = if arguments.no_servers {
        Servers::None
    } else {
        Servers::Ours
    };
    let started = Instant::now();
    for step in &steps {
        announce(step, echo);
        let step_started = Instant::now();
        let ran = match step.name {
            TESTS => suite::run(servers, arguments.filter.as_deref(), echo),
            EXAMPLES => examples::run(servers, echo),
            _ => (step.run)(echo),
        };
        let note = ran.with_context(|| format!("step `{}` failed", step.name))?;
        report(step, step_started.elapsed(), &note);
    }
    println!(
        "{} of {} steps passed in {}",
        steps.len(),
        STEPS.len(),
        seconds(started.elapsed())
    );
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != *name))
    {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!(
            "no step is called `{unknown}`; the steps are {}",
            known.join(", ")
        );
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

/// Says what is running while it runs. In a log file that would make two lines of each step.
fn announce(step: &Step, echo: Echo) {
    if echo == Echo::Live {
        println!("── {}: {}", step.name, step.about);
    } else if std::io::stdout().is_terminal() {
        print!("{:<12} …\r", step.name);
        // Only a courtesy to the person who waits: nothing depends on it.
        let _ = std::io::stdout().flush();
    }
}

fn report(step: &Step, time: Duration, note: &str) {
    let line = format!("{:<12} {:>8}  {note}", step.name, seconds(time));
    println!("{}", line.trim_end());
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn steps_help() -> String {
    let lines = STEPS
        .iter()
        .map(|step| format!("  {:<12} {}\n", step.name, step.about));
    format!("Steps, in order:\n{}", lines.collect::<String>())
}

fn fmt(echo: Echo) -> Result<String> {
    quiet(Program::cargo("fmt --all -- --check"), echo)
}

fn tidy(_: Echo) -> Result<String> {
    tidy::check()
}

fn clippy(echo: Echo) -> Result<String> {
    quiet(
        Program::cargo("clippy --workspace --all-targets --all-features -- -D warnings"),
        echo,
    )
}

fn docs(echo: Echo) -> Result<String> {
    let program = Program::cargo("doc --workspace --no-deps --all-features").env(
        "RUSTDOCFLAGS",
        "-D warnings -D rustdoc::broken_intra_doc_links",
    );
    quiet(program, echo)
}

fn default(echo: Echo) -> Result<String> {
    quiet(Program::cargo("check -p towpath"), echo)
}

fn bare(echo: Echo) -> Result<String> {
    quiet(
        Program::cargo("check -p towpath --no-default-features"),
        echo,
    )
}

fn doctests(echo: Echo) -> Result<String> {
    quiet(
        Program::cargo("test --doc --workspace --all-features"),
        echo,
    )
}

fn quiet(program: Program, echo: Echo) -> Result<String> {
    program.run(echo).map(|_| String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &[&str]) -> Result<Vec<&'static str>> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(choose(&names)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn no_name_means_every_step() {
        assert_eq!(chosen(&[]).unwrap().len(), STEPS.len());
    }

    #[test]
    fn named_steps_keep_the_usual_order() {
        assert_eq!(chosen(&["tests", "fmt"]).unwrap(), ["fmt", "tests"]);
    }

    #[test]
    fn an_unknown_step_is_refused_with_the_known_ones() {
        let message = chosen(&["lint"]).unwrap_err().to_string();
        assert!(
            message.starts_with("no step is called `lint`; the steps are fmt, tidy"),
            "{message}"
        );
    }
}
