//! `dir lock release`: takes the lock of a directory from its holder.

use std::path::PathBuf;

use serde::Serialize;
use towpath_coord::EventLock;
use towpath_coord::liveness::Life;
use towpath_core::{Error, Kind};

use super::{HolderView, in_words};
use crate::exit::{Exit, Failure, Result};
use crate::output::{Out, escape};
use crate::place::PlaceArgs;

/// Release the lock of a directory, whoever holds it
///
/// Rarely needed: the lock of a dead process is free at once, and one that is not renewed ends. A holder that
/// lives learns of it when it renews or publishes; until then it works on without the lock.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dir lock release /data/run-17
  towpath dir lock release /data/run-17 --yes

Exit code 3 when nobody holds it.

With --json: {\"released\": {\"owner\", \"life\", \"fence\", \"expires_at_ms\", \"expired\"}}")]
pub(crate) struct Args {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Also if its holder lives, or may live
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct View<'a> {
    released: HolderView<'a>,
}

pub(super) fn run(args: &Args, out: &Out) -> Result {
    let place = args.place.open(&args.directory)?;
    let mut lock = EventLock::new(place);
    let shown = args.directory.display().to_string();
    let Some(holder) = lock.holder()? else {
        let text = format!("nobody holds the lock of {shown}");
        return Err(Error::new(Kind::NotFound, text).into());
    };
    let by = in_words(&holder);
    let may_live = match holder.life {
        Life::Alive => true,
        Life::Dead => false,
        Life::Unknown => !holder.is_over,
    };
    if may_live && !args.yes {
        let life = if holder.life == Life::Alive {
            "lives"
        } else {
            "may live"
        };
        let text =
            format!("the lock of {shown} is held by {by}, which {life}; nothing was released");
        return Err(Failure::usage(text).hint("end that process, or say --yes"));
    }
    lock.force_release()?;
    if out.json {
        let released = HolderView::of(&holder);
        out.json(&View { released })?;
        return Ok(Exit::Ok);
    }
    out.line(format_args!(
        "the lock of {} is free; {} held it",
        escape::line(&shown),
        escape::line(&by)
    ))?;
    Ok(Exit::Ok)
}
