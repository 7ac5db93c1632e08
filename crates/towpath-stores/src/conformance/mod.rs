//! The suite that every store passes: one named case per promise of the contract.
//!
//! A case is a plain async function of a [`Harness`], in the file of its clause. A store's own tests
//! name a function that makes a harness and call [`conformance_suite!`](crate::conformance_suite),
//! which lists every case and makes each a test of its own:
//!
//! ```
//! use std::sync::Arc;
//! use towpath_stores::MemoryStore;
//! use towpath_stores::conformance::Harness;
//!
//! fn memory() -> Harness {
//!     let first: std::sync::OnceLock<MemoryStore> = std::sync::OnceLock::new();
//!     Harness::new(move |clock| Arc::new(first.get_or_init(|| MemoryStore::new(clock)).handle()))
//! }
//! towpath_stores::conformance_suite!(memory);
//! # fn main() {}
//! ```
//!
//! A case that is written and not listed fails the test `every_case_is_listed`. Time is the harness's
//! [`ManualClock`](towpath_core::ManualClock): nothing sleeps, and real time only bounds how long a
//! broken store may make a case wait.

#![expect(missing_docs, reason = "a case is named for what it promises")]

mod harness;
mod listed;
mod suite;
mod words;
mod worker;

pub mod audit;
pub mod batches;
pub mod callbacks;
pub mod channels;
pub mod claim;
pub mod expire;
pub mod kv;
pub mod lease;
pub mod limits;
pub mod locks;
pub mod look;
pub mod notes;
pub mod order;
pub mod pause;
pub mod promote;
pub mod prune;
pub mod races;
pub mod requeue;
pub mod rescue;
pub mod results;
pub mod revoke;
pub mod sets;
pub mod settle;
pub mod submit;
pub mod time;
pub mod update;
pub mod wake;

pub use harness::Harness;
pub use worker::Worker;

#[doc(hidden)]
pub use listed::check_listed;
