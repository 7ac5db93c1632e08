//! Statuses: reading them, waiting for them, listening to them.
//!
//! A status is a function of a message's record and never stored apart, so what is read here is
//! always what the store would act on.

mod updates;
mod verbs;

pub use updates::{StatusUpdate, Updates};
pub use verbs::Statuses;
