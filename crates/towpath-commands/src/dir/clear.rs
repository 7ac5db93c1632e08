//! Which files' riders are to be cleared, and what is said of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use towpath_coord::Wait;

use crate::exit::{Exit, Result};
use crate::output::{Out, counted};
use crate::place::PlaceArgs;

/// How long the lock of the directory is waited for.
pub(super) const WAIT: Wait = Wait::For(Duration::from_secs(5));

/// What `clear` takes, of whichever riders.
#[derive(Debug, clap::Args)]
pub(super) struct ClearArgs {
    /// The directory
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// The files, by their names in the directory
    #[arg(
        value_name = "FILE",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(super) files: Vec<OsString>,
    /// All files of the directory
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) place: PlaceArgs,
}

#[derive(Serialize)]
struct View {
    cleared: usize,
}

impl ClearArgs {
    /// Tells how many were cleared. Where files were named and none had one, that is the answer.
    pub(super) fn tell(&self, cleared: usize, thing: &str, out: &Out) -> Result {
        if out.json {
            out.json(&View { cleared })?;
        } else if cleared == 0 {
            out.line(format_args!("there is no {thing} to clear"))?;
        } else {
            out.line(format_args!("cleared {}", counted(cleared as u64, thing)))?;
        }
        Ok(match cleared {
            0 if !self.all => Exit::NotFound,
            _ => Exit::Ok,
        })
    }
}

/// Told where a directory has more names than are looked at.
pub(super) const CUT: &str =
    "\nthe directory has more files than are looked at; some may be missing here";
