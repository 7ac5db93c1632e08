//! Durable tasks for Rust: *they reach the other end, even when the process that carried them does not.*
//!
#![doc = include_str!("docs/book.md")]
#![cfg_attr(all(unix, feature = "files"), doc = include_str!("docs/cleanup.md"))]

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(all(unix, feature = "files"))]
pub mod deferred;
pub mod testing;

/// Files that are made once: locks of directories, claims and cooldowns of files, [`Checkout`](files::Checkout) for all of
/// it. Needs no queue. [`deferred`] has the clean-up that goes with it.
#[cfg(all(unix, feature = "files"))]
pub use towpath_coord as files;
pub use towpath_core::backoff;
pub use towpath_core::message::{
    Attempt, AttemptError, AttemptOutcome, Metadata, Record, ResultRecord, Start,
};
pub use towpath_core::store::{
    Finding, KeyRecord, LineCount, LockRecord, LockToken, Member, QueueRecord, Retention, Section,
    StateCounts, Ttl, Update, WorkerRecord,
};
pub use towpath_core::{
    Backoff, BucketName, ChannelName, Clock, Codec, CodecName, Codecs, Draft, Error, FailReason,
    IncarnationId, Key, Kind, LockName, LockOwner, ManualClock, Mechanism, Message, MessageId,
    Namespace, Options, Payload, QueueName, Result, Retries, State, Status, Store, StoreUrl,
    SystemClock, TaskName, Timestamp, Token, codec, limits, store,
};
/// # Examples
///
/// ```
/// use towpath::testing::TestApp;
/// use towpath::{Data, Task, task};
///
/// struct Stock(Vec<String>);
///
/// /// Reserves some pieces of an item.
/// #[task(queue = "orders", max_retries = 5, timeout = "30s", backoff = constant("5s"))]
/// async fn reserve(stock: Data<Stock>, item: String, pieces: Option<u32>) -> Result<u32, String> {
///     if stock.0.contains(&item) { Ok(pieces.unwrap_or(1)) } else { Err(format!("no {item} in stock")) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> towpath::Result<()> {
/// let test = TestApp::new(|app| app.task(reserve).data(Stock(vec!["cup".to_owned()])));
///
/// // A message, run by the app; and the body alone.
/// assert_eq!(test.run_inline(&reserve, ("cup".to_owned(), Some(3))).await?, 3);
/// let stock = Data::from(Stock(vec![]));
/// assert!(reserve.call(stock, "cup".to_owned(), None).await.is_err());
///
/// // The payload of a draft has the arguments in order; named ones are read as well.
/// let draft = reserve.draft(("cup".to_owned(), None))?;
/// assert_eq!(&draft.payload.bytes()[..], br#"["cup",null]"#);
/// let named = towpath::Payload::json(r#"{"item": "cup"}"#);
/// assert_eq!(reserve.decode(&named, &Default::default())?, ("cup".to_owned(), None));
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "macros")]
pub use towpath_macros::task;
pub use towpath_runtime::{
    AlreadyHeld, App, AttemptScope, AttemptScopes, Body, Broker, Bulk, BulkOutcome, CancelReason,
    Cancellation, Channel, CleanedUp, ConsumerBuilder, Context, Data, Deliveries, Delivery,
    Encoder, Filter, FnTask, Kv, Lagged, Limits, Listen, Lock, LockGuard, Metrics, MetricsSnapshot,
    Needs, Outcome, Owner, Policy, ResultMeta, ResultPool, ResultStream, Results, SortedSet,
    StatusUpdate, Statuses, StopReport, Submit, Submitted, Subscriber, Task, TaskError,
    TaskSettings, Updates, Worker, WorkerBuilder, blocking, draft_of, from_blocking_fn, from_fn,
};
pub use towpath_stores::memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use towpath_stores::postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use towpath_stores::redis::RedisStore;
#[cfg(feature = "sqlite")]
pub use towpath_stores::sqlite::SqliteStore;

use std::sync::Arc;

/// Names the store of a URL: `memory:`, `sqlite:PATH` or `sqlite://PATH`, `redis://HOST` (a cluster by several of
/// its nodes, `redis://HOST,HOST`) or
/// `postgres://HOST` (by the features of those names; encrypted, by the feature `tls`, as `rediss://HOST` and
/// with `?sslmode=verify-full`), with `?namespace=NAME` and, on SQLite,
/// `?durability=normal|full`.
///
/// Nothing is opened yet: the first use opens the store, and its error then names the URL.
///
/// ```
/// let store = towpath::open("memory:")?;
/// assert_eq!(store.url(), "memory:");
/// assert!(towpath::open("jobs.db").unwrap_err().to_string().contains("sqlite:PATH"));
/// # Ok::<(), towpath::Error>(())
/// ```
///
/// # Errors
///
/// [`Kind::Invalid`] when the URL is malformed, [`Kind::Unsupported`] when this build lacks its store.
pub fn open(url: &str) -> Result<Arc<dyn Store>> {
    towpath_stores::open(&url.parse()?)
}

/// What the code that `#[task]` writes relies on; not covered by semver.
#[doc(hidden)]
pub mod __private {
    pub use serde;
    pub use towpath_runtime::task::{FromBoxable, FromOther, FromTaskError, Thrown};
}

/// The code of the guide and the README is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/quickstart.md")]
#[doc = include_str!("../../../docs/guide/sharing.md")]
#[cfg_attr(all(unix, feature = "files"), doc = include_str!("../../../docs/guide/make-a-file-once.md"))]
#[cfg_attr(all(unix, feature = "files"), doc = include_str!("../../../docs/guide/promise-a-clean-up.md"))]
mod guide {}
