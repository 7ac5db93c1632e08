//! Forgets a function that was given up: its letter is removed, by whoever has seen to it otherwise.

use std::io::ErrorKind;

use towpath_core::{Error, Result};

use super::state::{DEAD, PREFIX, existing};
use crate::Place;
use crate::place::storage;

/// The longest id of a letter, in bytes; ours have about forty.
const ID_MAX: usize = 128;

/// Removes the letter of a function that was given up; answers whether it was there.
///
/// To have it run once more, [defer](super::Scope::defer) its name and arguments first, as [`list`](super::list) tells
/// them: who dies in between has both, the promise and the letter.
///
/// # Errors
///
/// [`towpath_core::Kind::Invalid`] for what is no id of a letter, or when the directory is not ours alone,
/// [`towpath_core::Kind::Storage`] when the letter cannot be removed.
///
/// # Examples
///
/// ```
/// use towpath_coord::deferred::{Config, Manager, Registry, forget, list};
/// use towpath_coord::{Network, Place, World};
///
/// # let directory = tempfile::tempdir()?;
/// let place = Place::open(World::new(), directory.path(), Network::Refuse)?;
/// let mut registry = Registry::new();
/// registry.add("fails", |_call, _: ()| Err("no"))?;
/// let manager = Manager::open(&place, registry.clone(), Config::default())?;
/// let scope = manager.scope()?;
/// scope.defer("fails", &())?;
/// assert_eq!(scope.end().dead, 1);
///
/// let letter = list(&place, &registry)?.dead.remove(0);
/// assert!(forget(&place, &letter.id)?);
/// assert!(list(&place, &registry)?.dead.is_empty());
/// assert!(!forget(&place, &letter.id)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn forget(place: &Place, id: &str) -> Result<bool> {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !id.starts_with(PREFIX) || id.len() > ID_MAX || !id.bytes().all(fit) {
        let text = format!("{id:?} is no id of a function that was given up; list them");
        return Err(Error::invalid(text));
    }
    let Some(directory) = existing(place)? else {
        return Ok(false);
    };
    let path = directory.join(DEAD).join(format!("{id}.json"));
    match place.world.fs.remove_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed
            .map(|()| true)
            .map_err(|error| storage(&path, "remove", error)),
    }
}
