//! `dir lock show`: who holds the lock of a directory.

use std::path::PathBuf;

use serde::Serialize;
use towpath_coord::EventLock;
use towpath_coord::liveness::Life;
use towpath_core::Timestamp;

use super::{HolderView, in_words};
use crate::exit::{Exit, Result};
use crate::output::{Out, age, escape};
use crate::place::{PlaceArgs, life};

/// Show who holds the lock of a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath dir lock show /data/run-17

Exit code 3 when nobody holds it.

With --json: {\"holder\": {\"owner\", \"life\": \"alive\"|\"dead\"|\"unknown\", \"fence\", \"expires_at_ms\", \"expired\"}}, or \
{\"holder\": null}. owner and fence are null where a program made .lock that does not say who it is.")]
pub(crate) struct Args {
    /// The directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct View<'a> {
    holder: Option<HolderView<'a>>,
}

pub(super) fn run(args: &Args, out: &Out) -> Result {
    let place = args.place.open(&args.directory)?;
    let holder = EventLock::new(place).holder()?;
    let exit = if holder.is_some() {
        Exit::Ok
    } else {
        Exit::NotFound
    };
    if out.json {
        let holder = holder.as_ref().map(HolderView::of);
        out.json(&View { holder })?;
        return Ok(exit);
    }
    let Some(holder) = holder else {
        out.line("free: nobody holds the lock")?;
        return Ok(exit);
    };
    let line = |label: &str, text: &str| {
        let text = escape::line(text);
        out.line(format_args!("{label:<8}{text}"))
    };
    line("holder", &in_words(&holder))?;
    line(
        "life",
        match holder.life {
            Life::Dead => "dead: the lock is free to be taken",
            Life::Unknown => "unknown: it cannot be seen from here",
            Life::Alive => life(Life::Alive),
        },
    )?;
    if let Some(fence) = holder.fence {
        line("fence", &fence.to_string())?;
    }
    let expires = age::full(
        holder.expires.into(),
        Timestamp::from(std::time::SystemTime::now()),
    );
    let over = if holder.is_over {
        "; who waits may steal it"
    } else {
        ", unless renewed"
    };
    line("expires", &format!("{expires}{over}"))?;
    Ok(exit)
}
