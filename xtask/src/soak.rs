//! `cargo xtask soak`: builds the soak program in release and runs it with the arguments passed on.
//!
//! A program of its own, because it is linked with Towpath and this one stays small.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What `cargo xtask soak` takes: all of it goes to the soak program, whose `--help` tells.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// What the soak program takes; `--help` shows it.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    passed_on: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Not through `Program`: a bar wants the terminal itself, and whoever interrupts a soak means all of it.
    let status = Command::new(cargo)
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "towpath-soak",
            "--",
        ])
        .args(&arguments.passed_on)
        .status()
        .context("failed to start cargo")?;
    if !status.success() {
        bail!("the soak did not end well: {status}");
    }
    Ok(())
}
