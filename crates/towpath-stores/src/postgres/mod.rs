//! The store on a Postgres server: one schema per namespace, for any number of processes and machines.
//!
//! ```text
//!  every verb       ──► driver: one thread, one runtime ──► pool: a few connections
//!  heartbeat thread ──► keeper: a thread, a runtime and a connection of its own
//!  after a commit   ──► bells here, and one NOTIFY for the others; a connection LISTENs for theirs
//! ```
//!
//! Read `store` for the verbs, `driver` for where they run, `tx` for what a verb works with, and
//! `migrations/` for what is in the schema. Every verb is one file. The hot ones (submit, claim,
//! settle, promote) are one function each in `functions/`: one atomic step, one round trip. The others lock
//! messages, decide in Rust by the life table, and write all moves of a call at once: see `moves`.
//!
//! # The order of locks
//!
//! No two verbs wait for each other in a circle, because all take their locks in one order:
//!
//! 1. leases of workers, by number: shared by whoever acts for a worker, exclusive for whoever ends its life;
//! 2. messages' own rows, by number: whoever moves a message in any way but the next two;
//! 3. places in lines, by number, then attempts, by id. A claim takes a message out of its line, and a
//!    success out of its attempt, without locking its row: those two only move it forward, so that whoever
//!    has locked row, place and attempt, in this order, holds it still;
//! 4. ids that come new into the store, by id;
//! 5. what user code keeps beside its messages, of which no verb holds two kinds but a clear: sorted sets, each
//!    as a whole (`functions/sets.sql`), then values by the bytes of their names; the row of a channel; locks
//!    by the bytes of their names. Of these only locks are ever taken behind the first four, by a settle.
//!
//! Claims, promotions and heartbeats pass over what is locked instead of waiting, and so does whatever is
//! deleted in passing. What is left, two calls
//! that settle the same tokens in batches of different make-up, Postgres notices and ends one of them, which
//! is then done again (`driver`). The statements rely on being executed as written, in nested loops over
//! indexes; `connection` sees to that.

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
mod driver;
mod encryption;
mod error;
mod expire;
mod get;
mod keeper;
mod kv;
mod lease;
mod lines;
mod list;
mod listener;
mod lock;
pub mod migrate;
mod moved;
mod moves;
mod note;
mod pause;
mod pool;
mod promote;
mod prune;
mod remove;
mod replay;
mod requeue;
mod rescue;
mod results;
mod revoke;
mod row;
mod sets;
mod settings;
mod settle;
mod standing;
mod statement;
mod store;
mod submit;
mod submit_in;
mod sweep;
mod tx;
mod update;
mod watch;
mod workers;
#[cfg(feature = "yardstick")]
pub(crate) mod yardstick;

pub use store::PostgresStore;
