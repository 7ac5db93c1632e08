//! `cargo xtask instructions`: how many instructions a message costs, counted by callgrind.
//!
//! A count is the same on a busy machine and on an idle one, so this is the one gate of speed that
//! continuous integration can have. [`counting`] counts, [`kept`] is what was counted before and is kept
//! in the repository, [`comparison`] holds the one against the other.

mod comparison;
mod counting;
mod kept;
mod tools;

use anyhow::Result;

use crate::program::Echo;
use comparison::Comparison;
use kept::Kept;
use tools::Tools;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Keep what is counted now, in place of what was counted before.
    #[arg(long)]
    bless: bool,
    /// Show the output of the compiler as it comes.
    #[arg(long, short)]
    verbose: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let echo = if arguments.verbose {
        Echo::Live
    } else {
        Echo::OnFailure
    };
    if arguments.bless {
        return bless(echo);
    }
    let comparison = compare(echo)?;
    print!("{comparison}");
    comparison.judge()
}

/// The step of `cargo xtask test`: as [`run`], with the table only where it says something.
pub(crate) fn check(echo: Echo) -> Result<String> {
    let comparison = compare(echo)?;
    let judged = comparison.judge();
    if echo == Echo::Live || judged.is_err() {
        print!("{comparison}");
    }
    judged.map(|()| comparison.summary())
}

fn compare(echo: Echo) -> Result<Comparison> {
    let kept = Kept::read()?;
    let tools = Tools::find(echo)?;
    let counts = counting::count(echo)?;
    Ok(Comparison::new(&kept, &Kept { tools, counts }))
}

fn bless(echo: Echo) -> Result<()> {
    let tools = Tools::find(echo)?;
    let counts = counting::count(echo)?;
    let fresh = Kept { tools, counts };
    // The first time there is nothing to compare with.
    let before = Kept::read().unwrap_or_else(|_| fresh.clone());
    print!("{}", Comparison::new(&before, &fresh));
    fresh.write()?;
    println!("kept in {}", kept::PATH);
    Ok(())
}
