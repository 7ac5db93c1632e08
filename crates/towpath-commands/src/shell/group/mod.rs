//! A program and all that it starts, as one process group.
//!
//! The guard in here is what keeps the promise that nothing outlives its attempt: whoever drops a
//! [`Group`] kills it.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use other::{Group, describe};
#[cfg(unix)]
pub(super) use unix::{Group, describe};
