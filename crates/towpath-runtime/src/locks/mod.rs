//! Locks: what one owner at a time may do, wherever it runs.
//!
//! [`Lock`] is what is asked for, [`LockGuard`] what is held. The store keeps the locks; `renewer` keeps
//! those that are held alive, from a thread of its own, as the heartbeat does for a worker's lease.

mod guard;
mod links;
mod lock;
mod owner;
mod renewer;

pub(crate) use links::{Linked, Links};
pub(crate) use renewer::Renewer;

pub use guard::LockGuard;
pub use lock::{AlreadyHeld, Lock};
pub use owner::Owner;
