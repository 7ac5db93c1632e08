//! Broker, results, statuses, locks and values for programs without async code.
//!
//! [`Broker`], [`Results`], [`ResultPool`], [`Statuses`], [`Lock`], [`Kv`] and [`Channel`] have the methods of their async
//! namesakes, which do the work: each call runs the async one to its end while the calling thread
//! waits. What is a stream there is an iterator here. They may be used from any number of plain
//! threads.
//!
//! On a thread of an async runtime, waiting would hold up every other task there, so each call is
//! refused with [`Kind::Unsupported`](towpath_core::Kind::Unsupported); await the async API
//! instead. The bodies of tasks with the mechanism `thread` run on plain threads.
//!
//! ```
//! use std::time::Duration;
//! use towpath_runtime::blocking::Broker;
//! # use std::sync::Arc;
//! # use towpath_core::{Draft, Kind, Payload, Status, SystemClock, TaskName};
//! # use towpath_stores::MemoryStore;
//! # let store = Arc::new(MemoryStore::new(Arc::new(SystemClock::new())));
//! let broker = Broker::new(store);
//! let id = broker.submit(Draft::new(TaskName::new("add")?, Payload::json("[1, 2]")))?;
//! assert_eq!(broker.statuses().get(id)?, Status::Submitted);
//!
//! let error = broker.results().get::<i64>(id, Duration::ZERO).unwrap_err();
//! assert_eq!(error.kind(), Kind::TimedOut);
//! # Ok::<(), towpath_core::Error>(())
//! ```

mod bridge;
mod broker;
mod locks;
mod pool;
mod results;
mod statuses;
mod values;

pub use broker::Broker;
pub use locks::{Lock, LockGuard};
pub use pool::{ResultIter, ResultPool};
pub use results::Results;
pub use statuses::{Statuses, Updates};
pub use values::{Channel, Kv, SortedSet, Subscriber};
