//! Files that are made once, and clean-up that outlives its process.
//!
//! Useful alone, with no queue: everything is in a directory that the programs concerned share on one machine.
//!
//! The protocols are written for a process that may die at any line. What each leaves on disk then stands at the
//! head of its module, and the tests end the world at every operation on a file ([`fs::faulty`]).

pub mod fs;
pub mod liveness;

mod place;

pub use place::{Network, Place, World};
