//! `dir cooldowns`: which files failed too recently to be tried again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use towpath_coord::{Cancel, CoolDownParams, CoolingFile, Found, clear_cooldowns, cooldowns};
use towpath_core::Timestamp;

use super::clear::{CUT, ClearArgs, WAIT};
use crate::exit::{Exit, Result};
use crate::output::{Out, Table, age};
use crate::place::PlaceArgs;
use crate::values::cooldown;

/// See which files of a directory cool down after failures, or let them be tried at once
///
/// A cooldown is a file .NAME.cooldown.json beside the file NAME, which counts the failures in a row. A success ends it.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the cooldowns in a directory, by file
    ///
    /// How long a failure cools down is not written beside the file: whoever makes it says so, and so do you here.
    #[command(after_help = "\
Examples:
  towpath dir cooldowns list /data/run-17
  towpath dir cooldowns list /data/run-17 --cooldown 10s,10s,5m

With --json: {\"cooldowns\": [{\"file\", \"readable\", \"failures\", \"last_at_ms\", \"remaining_ms\"}], \"cut\"}; failures and \
last_at_ms are null where they cannot be read, and cut tells that the directory has more names than are looked at.")]
    List {
        /// The directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// As the files are made with
        #[arg(long, value_name = "BASE,INCREMENT,MAXIMUM", value_parser = cooldown, default_value = "60s,60s,1h")]
        cooldown: CoolDownParams,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Forget the failures of files, under the lock of the directory
    #[command(after_help = "\
Examples:
  towpath dir cooldowns clear /data/run-17 sky.fits
  towpath dir cooldowns clear /data/run-17 --all

Exit code 3 when none of the named files has one; 5 when the directory is locked.

With --json: {\"cleared\"}")]
    Clear {
        #[command(flatten)]
        clear: ClearArgs,
    },
}

#[derive(Serialize)]
struct View {
    cooldowns: Vec<CoolingView>,
    cut: bool,
}

#[derive(Serialize)]
struct CoolingView {
    file: String,
    readable: bool,
    failures: Option<u32>,
    last_at_ms: Option<Timestamp>,
    remaining_ms: u64,
}

impl CoolingView {
    fn of(file: &CoolingFile) -> Self {
        Self {
            file: file.name.to_string_lossy().into_owned(),
            readable: file.failures.is_some(),
            failures: file.failures.map(|failures| failures.attempts),
            last_at_ms: file.failures.map(|failures| failures.last),
            remaining_ms: u64::try_from(file.remaining.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

pub(super) fn run(args: Args, out: &Out) -> Result {
    match args.command {
        Command::List {
            directory,
            cooldown,
            place,
        } => list(&cooldowns(&place.open(&directory)?, cooldown)?, out),
        Command::Clear { clear: args } => clear(&args, out),
    }
}

fn list(found: &Found<CoolingFile>, out: &Out) -> Result {
    if out.json {
        out.json(&View {
            cooldowns: found.riders.iter().map(CoolingView::of).collect(),
            cut: found.is_cut,
        })?;
        return Ok(Exit::Ok);
    }
    let now = Timestamp::from(std::time::SystemTime::now());
    let mut table = Table::new(["FILE", "FAILURES", "LAST", "NEXT ATTEMPT"]);
    for file in &found.riders {
        let (failures, last) = match file.failures {
            Some(failures) => (failures.attempts.to_string(), failures.last),
            None => ("(cannot be read)".to_owned(), file.written),
        };
        table.row([
            file.name.to_string_lossy().into_owned(),
            failures,
            age::relative(last, now),
            match file.remaining {
                Duration::ZERO => "may begin".to_owned(),
                remaining => format!("in {}", age::about(remaining)),
            },
        ]);
    }
    out.table(&table, "no file has failed")?;
    if found.is_cut {
        out.line(CUT)?;
    }
    Ok(Exit::Ok)
}

fn clear(args: &ClearArgs, out: &Out) -> Result {
    let place = args.place.open(&args.directory)?;
    let names = match args.all {
        true => {
            let found = cooldowns(&place, CoolDownParams::default())?.riders;
            found.into_iter().map(|file| file.name).collect()
        }
        false => args.files.clone(),
    };
    let cleared = clear_cooldowns(&place, &names, WAIT, &Cancel::new())?;
    args.tell(cleared, "cooldown", out)
}
