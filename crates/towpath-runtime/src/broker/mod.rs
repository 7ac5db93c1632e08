//! What producers and operators hold: submits messages, changes them, reads them.

mod bulk;
mod filter;
mod patience;
mod submit;
mod verbs;

pub use bulk::{Bulk, BulkOutcome};
pub use filter::Filter;
pub use submit::{Submit, Submitted};
pub use verbs::Broker;
