//! Files that are made once, and clean-up that outlives its process.
//!
#![doc = include_str!("docs/book.md")]

pub mod deferred;
pub mod fs;
pub mod journal;
pub mod liveness;

mod checkout;
mod cooldown;
mod event_lock;
mod guard;
mod holding;
mod intent;
mod listing;
mod making;
mod manifest;
mod place;
mod renewing;
mod rider;
mod utc;
mod wait;

pub use checkout::{Begun, Checkout, Generating, Refusal};
pub use cooldown::{CoolDown, CoolDownParams, Failures, Growth};
pub use event_lock::{EventLock, LOCK_NAME, LOCK_TIMEOUT, LockHolder, Steal};
pub use holding::Holding;
pub use intent::{CLAIM_TIME, Claim, Intent};
pub use listing::{
    ClaimedFile, Clear, CoolingFile, Found, LISTED_MAX, claims, clear_claims, clear_cooldowns,
    cooldowns,
};
pub use making::Making;
pub use manifest::{MEMBERS_MAX, Manifest};
pub use place::{Network, Place, World};
pub use wait::{Cancel, Wait};
