//! Puts the journals, the deaths of processes and the store side by side.
//!
//! Pure: [`History`] is one message as the journals tell it, [`Chronicle`] what was done to the
//! processes, [`Standing`] what the store says at the end. [`Verifier`] judges one message after the
//! other and counts. [`shards`] feeds it a whole soak in portions that fit into memory.

mod chronicle;
mod history;
pub mod shards;
mod verifier;

pub use chronicle::{Cause, Chronicle, Span};
pub use history::{Attempt, History};
pub use verifier::{Fault, Found, Messages, Standing, Tally, Verifier};
