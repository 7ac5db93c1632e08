//! The embedded store: one SQLite file, for one process or several on one machine.
//!
//! ```text
//!  verbs that write ──► mailbox (control, bulk) ──► writer thread: many verbs, one transaction
//!  verbs that look  ──► mailbox ─────────────────► reader thread: a connection of its own
//!  heartbeat thread ──► keeper: a connection of its own, no mailbox
//!  after a commit   ──► doorbell: wakes waiters here and in other processes
//! ```
//!
//! Read `store` for the verbs, `writer` for group commit, `tx` for what a verb works with, and
//! `migrations/` for what is in the file. Every verb is one file; `moves` holds what
//! they share: how a message leaves one place and comes to another.

mod attempts;
mod audit;
mod bodies;
mod brief;
mod channel;
mod claim;
mod columns;
mod connection;
mod counts;
mod damage;
mod doctor;
mod doorbell;
mod error;
mod expire;
mod flocks;
mod footing;
mod get;
mod heads;
mod held;
mod keeper;
mod kv;
mod lease;
mod lines;
mod list;
mod location;
mod lock;
mod mailbox;
mod marks;
mod mount;
mod moves;
mod note;
mod order;
mod pause;
mod promote;
mod prune;
mod reader;
mod remove;
mod replay;
mod requeue;
mod rescue;
mod results;
mod revoke;
mod row;
mod schema;
mod sets;
mod settle;
mod standing;
mod statement;
mod store;
mod submit;
mod sync;
mod trim;
mod tx;
mod update;
mod workers;
mod writer;
#[cfg(feature = "yardstick")]
pub(crate) mod yardstick;

pub use store::SqliteStore;
