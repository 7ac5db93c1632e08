//! Gives a directory of deferred functions up: runs what is left, and removes it if nobody uses it.

use towpath_core::Result;

use super::lane::Lane;
use super::orphans::{Orphans, Settled};
use super::registry::Registry;
use super::state::{PREFIX, State, existing, names};
use super::{Config, Report};
use crate::Place;
use crate::fs::Lock;
use crate::place::storage;

/// What became of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What was run.
    pub report: Report,
    /// Whether the directory is gone. It stays while a manager uses it, and while there is something in it that could
    /// not be run or that somebody should look at.
    pub removed: bool,
}

/// Runs orphans, and removes the directory `deferred` of a place if nobody holds it and nothing is left in it.
///
/// For the end of a machine or of a job; workers need a [`Manager`](super::Manager).
///
/// # Errors
///
/// As [`Manager::open`](super::Manager::open), and [`towpath_core::Kind::Storage`] when it cannot be removed.
///
/// # Examples
///
/// ```
/// use towpath_coord::deferred::{Config, Registry, clean};
/// use towpath_coord::{Network, Place, World};
///
/// # let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// assert!(clean(&place, &Registry::new(), &Config::default())?.removed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn clean(place: &Place, registry: &Registry, config: &Config) -> Result<Cleaned> {
    let mut cleaned = Cleaned::default();
    if existing(place)?.is_none() {
        cleaned.removed = true;
        return Ok(cleaned);
    }
    let state = State::open(place)?;
    let mut orphans = Orphans {
        state: &state,
        registry,
        config,
        settled: &mut Settled::new(),
        left: Default::default(),
        turn: None,
        lane: Lane::default(),
    };
    orphans.run(&mut cleaned.report);
    let cannot = |error| storage(&state.directory, "remove", error);
    // Our shared lock may be lost in this; it is not needed any more.
    if !state.hold.try_lock(Lock::Exclusive).map_err(cannot)? || !is_empty(&state)? {
        return Ok(cleaned);
    }
    cleaned.removed = state.remove().map_err(cannot)?;
    Ok(cleaned)
}

/// Whether nothing is in it but what the protocol makes anew. Files begun and not finished are swept with the orphans.
fn is_empty(state: &State) -> Result<bool> {
    if !names(&state.world, &state.directory, PREFIX)?.is_empty() {
        return Ok(false);
    }
    for inner in [super::state::DEAD, super::state::QUARANTINE] {
        let inner = state.path(inner);
        match state.world.fs.list(&inner, 1) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            found => {
                if !found
                    .map_err(|error| storage(&inner, "list", error))?
                    .is_empty()
                {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}
