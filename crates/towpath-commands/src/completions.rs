//! `completions`: what a shell needs to complete the command line.

use clap_complete::Shell;

use crate::exit::{Exit, Result};
use crate::output::Out;

/// Print a script that completes this command line in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath completions bash > ~/.local/share/bash-completion/completions/towpath
  towpath completions zsh  > ~/.zfunc/_towpath
  towpath completions fish > ~/.config/fish/completions/towpath.fish")]
pub(crate) struct Args {
    /// The shell to print it for
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command, out: &Out) -> Result {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out.line(String::from_utf8_lossy(&script).trim_end())?;
    out.flush()?;
    Ok(Exit::Ok)
}
