//! What is in a directory of deferred functions, for commands. Nothing is locked, so nobody is disturbed.

use std::io::ErrorKind;

use serde::Serialize;
use serde_json::Value;
use towpath_core::Result;

use super::drain::Letter;
use super::ledger::Ledger;
use super::registry::Registry;
use super::state::{DEAD, PREFIX, QUARANTINE, UNFINISHED, existing, names};
use crate::Place;
use crate::fs::{Open, Sort};
use crate::journal::{JOURNAL_MAX, LINE_MAX, read};
use crate::liveness::{Identity, Life};
use crate::place::storage;

/// What is in a directory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// State files.
    pub files: Vec<StateFile>,
    /// Functions that were given up.
    pub dead: Vec<DeadLetter>,
    /// Names of state files with spoilt lines, in `quarantine`.
    pub quarantined: Vec<String>,
}

/// A state file.
#[derive(Debug, Clone, PartialEq)]
pub struct StateFile {
    /// Its name.
    pub name: String,
    /// Who goes on with it: who has taken it over, else who made it. `None` where that line is spoilt.
    pub owner: Option<Identity>,
    /// Whether that process lives.
    pub life: Life,
    /// Functions that are to be run.
    pub pending: usize,
    /// Those among them whose names are not in the registry, by name.
    pub parked: Vec<String>,
    /// Lines that are spoilt.
    pub damaged: usize,
}

/// A function that was given up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetter {
    /// Which registration it was.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// How often it was tried.
    pub attempts: u32,
    /// How the last attempt ended.
    pub error: String,
}

/// Lists a place. What is parked is told in the eyes of a process with that registry.
///
/// # Errors
///
/// [`towpath_core::Kind::Invalid`] when the directory is not ours alone, [`towpath_core::Kind::Storage`] when it cannot be
/// read. A directory that is not there is an empty one.
pub fn list(place: &Place, registry: &Registry) -> Result<Listing> {
    let mut listing = Listing::default();
    let Some(directory) = existing(place)? else {
        return Ok(listing);
    };
    let world = &place.world;
    for name in names(world, &directory, PREFIX)? {
        if name.ends_with(UNFINISHED) {
            continue;
        }
        if let Some(bytes) = bytes(place, &directory.join(&name), JOURNAL_MAX)? {
            listing.files.push(look(place, registry, name, &bytes));
        }
    }
    let inner = |name| match names(world, &directory.join(name), PREFIX) {
        Err(error) if error.kind() == towpath_core::Kind::NotFound => Ok(Vec::new()),
        names => names,
    };
    for name in inner(DEAD)? {
        // More than a line, for the error and the names of the fields.
        let bytes = bytes(place, &directory.join(DEAD).join(&name), 2 * LINE_MAX)?;
        let letter = bytes.map(|bytes| serde_json::from_slice::<Letter>(&bytes));
        listing.dead.extend(letter.map(|letter| match letter {
            Ok(letter) => DeadLetter {
                id: letter.id,
                name: letter.name,
                arguments: letter.args,
                attempts: letter.attempts,
                error: letter.error,
            },
            Err(error) => DeadLetter {
                id: name.strip_suffix(".json").unwrap_or(&name).to_owned(),
                name: String::new(),
                arguments: Value::Null,
                attempts: 0,
                error: format!("this letter cannot be read: {error}"),
            },
        }));
    }
    listing.quarantined = inner(QUARANTINE)?;
    Ok(listing)
}

/// `None` when it is gone meanwhile, or is no file.
fn bytes(place: &Place, path: &std::path::Path, max: usize) -> Result<Option<Vec<u8>>> {
    match place.world.fs.stat(path) {
        Ok(stat) if stat.sort == Sort::File => {}
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(storage(path, "look at", error));
        }
        _ => return Ok(None),
    }
    let file = match place.world.fs.open(path, Open::Read) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| storage(path, "open", error))?,
    };
    let bytes = file.read_at(0, max);
    bytes
        .map(Some)
        .map_err(|error| storage(path, "read", error))
}

fn look(place: &Place, registry: &Registry, name: String, bytes: &[u8]) -> StateFile {
    let reading = read(bytes);
    let ledger = Ledger::of(&reading);
    let taken = ledger.taken.map(|(by, _)| by);
    let owner = taken.or_else(|| reading.header.map(|header| header.owner));
    let names = ledger.pending.values().map(|one| &one.name);
    let parked = names.filter(|name| !registry.knows(name)).cloned();
    StateFile {
        name,
        life: owner
            .as_ref()
            .map_or(Life::Unknown, |owner| place.world.processes.life(owner)),
        owner,
        pending: ledger.pending.len(),
        parked: parked.collect(),
        damaged: reading.damaged + ledger.foreign,
    }
}
