//! Results: reading them, waiting for them, collecting many.
//!
//! Read [`Results`] first. What the store answers becomes what a caller is told in `ending`, and
//! nowhere else; a [`ResultPool`] finds what has ended in `collector`.

mod collector;
mod ending;
mod pool;
mod verbs;

pub use pool::{ResultPool, ResultStream};
pub use verbs::{ResultMeta, Results};
