//! Bare loops over Redis, for `towpath bench`: what the store would do without a store around it.
//!
//! There is no leanest layout to compare with yet ([`Bare::Limit`]): what is known to be leaner leases whole
//! batches, which can only end as a whole.

mod gauge;
mod own;

use towpath_core::store::{Bare, Yardstick};
use towpath_core::{Result, StoreUrl};

/// The bare loop on the namespace that `url` names.
pub(crate) fn open(url: &StoreUrl, bare: Bare) -> Result<Option<Box<dyn Yardstick>>> {
    // Beside a cluster there is none: what is measured is the engine, and that is the same.
    let is_cluster = url.server().is_some_and(|server| server.hosts().len() > 1);
    match bare {
        _ if is_cluster => Ok(None),
        Bare::Own => Ok(Some(Box::new(own::Own::open(url)?))),
        Bare::Limit => Ok(None),
    }
}
