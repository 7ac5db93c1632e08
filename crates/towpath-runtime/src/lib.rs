//! The runtime of Towpath: what producers hold and what runs tasks, over any store.
//!
//! * [`Broker`] submits messages and changes them; [`Results`] and [`Statuses`] wait for them.
//! * [`App`] names the tasks and shares the data; [`App::worker`] starts a [`Worker`], which claims,
//!   runs and settles; [`App::consumer`] hands out [`Delivery`]s to run by hand.
//! * [`Task`] is what can be run; [`Context`] is what its body may ask for.
//! * [`AttemptScopes`] is where attempts promise clean-up that outlives their process.
//! * [`Lock`], [`Kv`], [`SortedSet`] and [`Channel`] are what user code shares beside its messages.
//!
//! The runtime knows stores only by the trait in `towpath-core` and can name none of them. It holds
//! no lock across an await and does one store step per batch.
//!
//! Users name the crate `towpath`; this one is public so that its siblings can meet, and semver
//! covers only what the facade re-exports.

mod app;
pub mod blocking;
mod broker;
mod cancel;
mod context;
mod data;
mod deferrals;
mod delivery;
mod identity;
mod locks;
mod metrics;
mod panics;
mod registry;
mod results;
mod scopes;
mod statuses;
pub mod task;
mod unfold;
mod values;
mod waiter;
mod worker;

pub use app::{App, Limits};
pub use broker::{Broker, Bulk, BulkOutcome, Filter, Submit, Submitted};
pub use cancel::{CancelReason, Cancellation};
pub use context::Context;
pub use data::Data;
pub use delivery::{ConsumerBuilder, Deliveries, Delivery};
pub use locks::{AlreadyHeld, Lock, LockGuard, Owner};
pub use metrics::{Metrics, MetricsSnapshot};
pub use results::{ResultMeta, ResultPool, ResultStream, Results};
pub use scopes::{AttemptScope, AttemptScopes, CleanedUp};
pub use statuses::{StatusUpdate, Statuses, Updates};
pub use task::{
    Body, Encoder, FnTask, Needs, Outcome, Policy, Task, TaskError, TaskSettings, draft_of,
    from_blocking_fn, from_fn,
};
pub use values::{Channel, Kv, Lagged, SortedSet, Subscriber};
pub use worker::{Listen, StopReport, Worker, WorkerBuilder};
