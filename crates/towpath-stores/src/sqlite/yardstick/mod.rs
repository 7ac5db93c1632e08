//! Bare loops over SQLite, for `towpath bench`: what the store would do without a store around it.
//!
//! Both open the file with the settings of the store's writer, and commit one transaction a call.

mod l4;
mod own;

use rusqlite::Connection;
use towpath_core::store::{Bare, Yardstick};
use towpath_core::{Result, StoreUrl};

use super::connection::{self, Opened, Role};
use super::error::Fallible;
use super::location::Location;

/// The bare loop on the file that `url` names.
pub(crate) fn open(url: &StoreUrl, bare: Bare) -> Result<Box<dyn Yardstick>> {
    let location = Location::of(url);
    let opened = connection::open(url, &location, Role::Writer)?;
    let say = |fault: super::error::Fault| fault.into_error(&location.file);
    Ok(match bare {
        Bare::Own => Box::new(own::Own::new(opened, location.clone()).map_err(say)?),
        Bare::Limit => {
            let Opened { db, .. } = opened;
            Box::new(l4::L4::new(db, location.clone()).map_err(say)?)
        }
    })
}

/// Does `run` in a transaction of its own, begun and ended as the store's writer does.
fn transact<T>(db: &Connection, run: impl FnOnce(&Connection) -> Fallible<T>) -> Fallible<T> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = run(db)?;
    db.prepare_cached("COMMIT")?.execute([])?;
    Ok(done)
}
