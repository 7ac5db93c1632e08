//! The directory in which promises are written down.

use std::path::PathBuf;

use towpath_coord::Place;
use towpath_core::{Error, Kind};

use crate::exit::{Failure, Result};
use crate::place::PlaceArgs;
use crate::store::{create_private, user_state};

/// The variable that names it.
const VARIABLE: &str = "TOWPATH_STATE_DIR";

/// The directory that is meant; it need not be there.
pub(crate) fn directory(flag: Option<PathBuf>) -> Result<PathBuf> {
    let named = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    let directory = flag
        .or_else(|| named.map(PathBuf::from))
        .or_else(user_state);
    directory.ok_or_else(|| {
        Failure::usage("neither XDG_STATE_HOME nor a home directory is known")
            .hint("name a state directory")
    })
}

/// The directory that is meant, made for the caller alone unless it is there.
pub(super) fn open(flag: Option<PathBuf>, place: &PlaceArgs) -> Result<Place> {
    let directory = directory(flag)?;
    create_private(&directory).map_err(|error| {
        let text = format!(
            "the directory {} cannot be made: {error}",
            directory.display()
        );
        Failure::from(Error::new(Kind::Storage, text))
            .hint("name another directory with --state-dir DIR")
    })?;
    // Whoever runs what is left may be in another directory, and the command may go where it likes.
    let directory = directory.canonicalize().unwrap_or(directory);
    place.open(&directory)
}
