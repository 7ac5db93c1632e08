//! The store in memory: the contract in its plainest form.
//!
//! One `Table` behind one mutex. A verb locks it, reads the clocks once, does one `Step` and unlocks;
//! only then are waiters woken. There is nothing to fail halfway, so what the other stores do with
//! transactions is here a critical section, and the files read like the contract itself. Each verb has
//! its file; the same names stand in every store.
//!
//! Read `row` first (what is known of one message), then `table` (the structures a message can stand
//! in, and the one way to move between them), then any verb.

mod audit;
mod channel;
mod claim;
mod counts;
mod expire;
mod get;
mod kv;
mod lease;
mod lines;
mod list;
mod lock;
mod note;
mod pause;
mod promote;
mod prune;
mod requeue;
mod rescue;
mod revoke;
mod row;
mod sets;
mod settle;
mod step;
mod store;
mod submit;
mod table;
mod update;
mod watch;
mod workers;

pub use store::MemoryStore;
