//! Bare loops over Redis, for `towpath bench`: what the store would do without a store around it.
//!
//! There is no leanest layout to compare with yet ([`Bare::Limit`]): what is known to be leaner leases whole
//! batches, which can only end as a whole.

mod own;

use towpath_core::store::{Bare, Yardstick};
use towpath_core::{Result, StoreUrl};

/// The bare loop on the namespace that `url` names.
pub(crate) fn open(url: &StoreUrl, bare: Bare) -> Result<Option<Box<dyn Yardstick>>> {
    match bare {
        Bare::Own => Ok(Some(Box::new(own::Own::open(url)?))),
        Bare::Limit => Ok(None),
    }
}
