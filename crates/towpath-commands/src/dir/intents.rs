//! `dir intents`: who is making which files.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde::Serialize;
use towpath_coord::liveness::Identity;
use towpath_coord::{Cancel, ClaimedFile, Clear, Found, claims, clear_claims};
use towpath_core::{Kind, Timestamp};

use super::clear::{CUT, ClearArgs, WAIT};
use crate::exit::{Exit, Failure, Result};
use crate::output::{Out, Table, age};
use crate::place::{PlaceArgs, life, process};

/// See who is making which files of a directory, or clear claims that nobody will
///
/// A claim is a file .NAME.intent.json beside the file NAME. It lapses when it is not renewed, and at once when its
/// owner is dead.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the claims in a directory, by file
    #[command(after_help = "\
Examples:
  towpath dir intents list /data/run-17

With --json: {\"claims\": [{\"file\", \"readable\", \"owner\", \"life\": \"alive\"|\"dead\"|\"unknown\", \"fence\", \
\"written_at_ms\", \"remaining_ms\"}], \"cut\"}; a claim that cannot be read is honoured for 10 minutes, and cut tells \
that the directory has more names than are looked at.")]
    List {
        /// The directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Clear the claims on files, under the lock of the directory
    ///
    /// Claims that have lapsed need no clearing: the next maker takes them. One that is in force is cleared with
    /// --yes; its owner then publishes nothing.
    #[command(after_help = "\
Examples:
  towpath dir intents clear /data/run-17 sky.fits
  towpath dir intents clear /data/run-17 --all --yes

Exit code 3 when none of the named files is claimed; 5 when the directory is locked.

With --json: {\"cleared\"}")]
    Clear {
        #[command(flatten)]
        clear: ClearArgs,
        /// Also claims in force; else nothing is cleared where one is among them
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Serialize)]
struct View<'a> {
    claims: Vec<ClaimView<'a>>,
    cut: bool,
}

#[derive(Serialize)]
struct ClaimView<'a> {
    file: String,
    readable: bool,
    owner: Option<&'a Identity>,
    life: &'static str,
    fence: Option<u64>,
    written_at_ms: Timestamp,
    remaining_ms: u64,
}

impl<'a> ClaimView<'a> {
    fn of(file: &'a ClaimedFile) -> Self {
        let claim = file.claim.as_ref();
        Self {
            file: file.name.to_string_lossy().into_owned(),
            readable: claim.is_some(),
            owner: claim.and_then(|claim| claim.owner.as_ref()),
            life: life(file.life),
            fence: claim.and_then(|claim| claim.fence),
            written_at_ms: file.written,
            remaining_ms: u64::try_from(file.remaining.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

pub(super) fn run(args: Args, out: &Out) -> Result {
    match args.command {
        Command::List { directory, place } => list(&claims(&place.open(&directory)?)?, out),
        Command::Clear { clear: args, yes } => clear(&args, yes, out),
    }
}

fn list(found: &Found<ClaimedFile>, out: &Out) -> Result {
    if out.json {
        out.json(&View {
            claims: found.riders.iter().map(ClaimView::of).collect(),
            cut: found.is_cut,
        })?;
        return Ok(Exit::Ok);
    }
    let now = Timestamp::from(std::time::SystemTime::now());
    let mut table = Table::new(["FILE", "OWNER", "LIFE", "RENEWED", "LAPSES"]);
    for file in &found.riders {
        let owner = match &file.claim {
            None => "(cannot be read)".to_owned(),
            Some(claim) => claim
                .owner
                .as_ref()
                .map_or("(not told)".to_owned(), process),
        };
        table.row([
            file.name.to_string_lossy().into_owned(),
            owner,
            life(file.life).to_owned(),
            age::relative(file.written, now),
            match file.remaining {
                Duration::ZERO => "has lapsed".to_owned(),
                remaining => format!("in {} unless renewed", age::about(remaining)),
            },
        ]);
    }
    out.table(&table, "no file is claimed")?;
    if found.is_cut {
        out.line(CUT)?;
    }
    Ok(Exit::Ok)
}

fn clear(args: &ClearArgs, yes: bool, out: &Out) -> Result {
    let place = args.place.open(&args.directory)?;
    let names = match args.all {
        true => claims(&place)?
            .riders
            .into_iter()
            .map(|file| file.name)
            .collect(),
        false => args.files.clone(),
    };
    let which = if yes { Clear::Any } else { Clear::Lapsed };
    let cleared = clear_claims(&place, &names, which, WAIT, &Cancel::new());
    let cleared = cleared.map_err(|error| {
        let is_live = error.kind() == Kind::WrongState;
        let failure = Failure::from(error);
        match is_live {
            true => failure.hint("end that process, or say --yes; nothing was cleared"),
            false => failure,
        }
    })?;
    args.tell(cleared, "claim", out)
}
