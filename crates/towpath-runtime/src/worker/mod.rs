//! A worker: claims messages, runs them, settles them, and keeps the store in order meanwhile.
//!
//! ```text
//!   store ──claim──► Exchange ──► Inbox ──► slots (Attempt) ──finished──► Exchange ──settle──► store
//!                       ▲                                                    │
//!   Heartbeat (own thread, own connection) ── Tenure: may start? lost? ──────┘
//!   upkeep: promoter, rescuer, expirer, pruner, auditor, revoker, sweeper
//! ```
//!
//! One [`Exchange`](exchange::Exchange) per mechanism settles what has finished and claims what there
//! is room for, in one step of the store. [`clean_up`] says when deferred functions are run, [`shutdown`] who waits for whom at the end.

mod aside;
mod attempt;
mod builder;
mod clean_up;
pub(crate) mod doubt;
mod exchange;
mod finished;
mod handle;
mod heartbeat;
mod inbox;
mod inline;
mod pace;
mod pool;
mod probe;
mod shutdown;
mod step;
mod tenancy;
mod tenure;
mod threads;
mod upkeep;

pub(crate) use builder::check_lease;
pub use builder::{Listen, WorkerBuilder};
pub(crate) use clean_up::tell;
pub use handle::{StopReport, Worker};
pub(crate) use heartbeat::Heartbeat;
pub(crate) use inline::run_ready;
pub(crate) use shutdown::{Phase, Phases};
pub(crate) use tenancy::Tenancy;
pub(crate) use tenure::Tenure;
