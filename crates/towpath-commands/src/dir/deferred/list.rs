//! `dir deferred list`: what was promised, and what was given up.

use serde::Serialize;
use towpath_coord::Place;
use towpath_coord::deferred::{DeadLetter, Listing, StateFile, list};
use towpath_coord::liveness::Identity;

use super::registry;
use crate::cleanup::promise;
use crate::exit::{Exit, Result};
use crate::output::{Out, Table, escape};
use crate::place::{life, process};

#[derive(Serialize)]
struct View<'a> {
    files: Vec<FileView<'a>>,
    dead: &'a [DeadLetter],
    quarantined: &'a [String],
}

#[derive(Serialize)]
struct FileView<'a> {
    name: &'a str,
    owner: Option<&'a Identity>,
    life: &'static str,
    pending: usize,
    unknown: &'a [String],
    damaged: usize,
}

impl<'a> FileView<'a> {
    fn of(file: &'a StateFile) -> Self {
        Self {
            name: &file.name,
            owner: file.owner.as_ref(),
            life: life(file.life),
            pending: file.pending,
            unknown: &file.parked,
            damaged: file.damaged,
        }
    }
}

pub(super) fn run(place: Option<&Place>, out: &Out) -> Result {
    let listing = match place {
        Some(place) => list(place, &registry()?)?,
        None => Listing::default(),
    };
    if out.json {
        out.json(&View {
            files: listing.files.iter().map(FileView::of).collect(),
            dead: &listing.dead,
            quarantined: &listing.quarantined,
        })?;
    } else {
        tell(&listing, out)?;
    }
    Ok(Exit::Ok)
}

fn tell(listing: &Listing, out: &Out) -> Result<()> {
    let mut files = Table::new(["STATE FILE", "OWNER", "LIFE", "PROMISES", "REMARKS"]);
    for file in &listing.files {
        files.row([
            file.name.clone(),
            file.owner.as_ref().map_or("(not told)".to_owned(), process),
            life(file.life).to_owned(),
            file.pending.to_string(),
            remarks(file),
        ]);
    }
    out.table(&files, "nothing is promised")?;
    if !listing.dead.is_empty() {
        let mut dead = Table::new(["GIVEN UP", "ATTEMPTS", "PROMISE", "ERROR"]);
        for letter in &listing.dead {
            dead.row([
                letter.id.clone(),
                letter.attempts.to_string(),
                promise(&letter.name, &letter.arguments),
                letter.error.clone(),
            ]);
        }
        out.line("")?;
        out.table(&dead, "")?;
    }
    if !listing.quarantined.is_empty() {
        out.line("\nstate files with spoilt lines, in deferred/quarantine:")?;
        for name in &listing.quarantined {
            out.line(format_args!("  {}", escape::line(name)))?;
        }
    }
    Ok(())
}

fn remarks(file: &StateFile) -> String {
    let mut remarks = Vec::new();
    if !file.parked.is_empty() {
        remarks.push(format!("not known here: {}", file.parked.join(", ")));
    }
    if file.damaged > 0 {
        remarks.push(format!("{} spoilt lines", file.damaged));
    }
    remarks.join("; ")
}
