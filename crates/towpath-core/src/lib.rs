//! The pure part of Towpath: what a message is, what may happen to it, and what a store must do.
//!
//! Nothing here opens a file, a socket or a thread. Time, randomness and storage are handed in, so
//! every decision (may this move happen? retry or give up? how long to wait?) is a function that a
//! test can call as a table.
//!
//! Read [`life`] first: the states, the verbs and what each does to the counters. Then
//! [`store::Store`], the contract every store keeps, and [`Draft`] and [`Message`], the two sides of
//! one request to run a task.
//!
//! Users name the crate `towpath`; this one is public so that its siblings can meet, and semver
//! covers only what the facade re-exports.

pub mod backoff;
pub mod clock;
pub mod codec;
pub mod error;
mod fresh;
pub mod ids;
pub mod life;
pub mod limits;
pub mod message;
#[doc(hidden)]
pub mod mount;
pub mod name;
#[doc(hidden)]
pub mod pack;
pub mod payload;
pub mod retry;
pub mod store;
pub mod url;

pub use backoff::{Backoff, BackoffSettings};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use codec::{Codec, Codecs};
pub use error::{Error, Kind, Result};
pub use ids::{IncarnationId, MessageId, Token};
pub use life::{FailReason, State, Status, Verb};
pub use message::{AttemptError, Draft, Mechanism, Message, Options, Record};
pub use name::{
    BucketName, ChannelName, CodecName, Key, LockName, LockOwner, Namespace, QueueName, TaskName,
};
pub use payload::Payload;
pub use retry::Retries;
pub use store::Store;
pub use url::StoreUrl;
