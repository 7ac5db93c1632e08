//! The store on a Redis or Valkey server, for many processes on many machines.
//!
//! Every verb is one script, or a few of bounded length for a large batch; so each message moves in one
//! atomic step, and the server's clock alone says what time it is. Read `store` for how a verb reaches
//! the server, `lua/` for what it does there (each script begins with what it takes, answers and moves),
//! `body` and `record` for the bytes of a message, `pack` for how a batch is kept together.
//!
//! All keys of a namespace begin with `{towpath:NAMESPACE}:`, whose braces keep them in one slot of a
//! cluster. What follows:
//!
//! | key | kind | holds |
//! | --- | --- | --- |
//! | `b` | hash | id → body, of every message that is not in a pack |
//! | `B` | hash | id → the pack that it is in |
//! | `K` `Kd` | hashes | pack → its messages with their bodies, how many of them were deleted |
//! | `H` | hash | pack → who holds it, and how many of it have not ended |
//! | `m` | hash | id → counters and times, of messages that are more than submitted |
//! | `t` `v` `g` | hashes | id → last attempts, what was saved, details |
//! | `q` | sorted set | queues with ready messages, by name |
//! | `l`QUEUE | sorted set | tasks with ready messages, by their best priority |
//! | `p`LINE | sorted set | priorities with ready messages |
//! | `r`LINE`:`PRIORITY | list | ready messages, in the order of their coming |
//! | `x`LINE`:`PRIORITY | hash | id → elements of that list that the message has left |
//! | `X`LINE`:`PRIORITY | string | how many more messages the packs of that list have than it has packs |
//! | `o` | string | the last rank in a list |
//! | `z` `e` | sorted sets | scheduled messages by their time, waiting ones by their expiry |
//! | `h` | hash | id → who holds it under which claim, of those that are not in a pack |
//! | `w`INCARNATION | set | what a worker holds: ids and packs |
//! | `a` | sorted set | workers by the end of their lease |
//! | `c` `n` `nl` `i` | hash, sets, list | cards of workers; the gone who still hold something, those of them that left; the gone by their going |
//! | `f` `y` | hashes | id → how it ended, its result when that is long |
//! | `s` `d` `k` | sorted sets, set | succeeded and dead messages by the end of their retention; the revoked |
//! | `u` | set | paused queues |
//! | `j` | hash | the clock of leases |
//! | `V`BUCKET `C`BUCKET | hashes | key → value, and its codec when that is not JSON |
//! | `N`BUCKET `E`BUCKET | sorted sets | keys by name, those that go at a time by that time |
//! | `D` | sorted set | buckets by the time at which the first of their values goes |
//! | `S`BUCKET | set | names of sorted sets |
//! | `Z`SET | sorted set | members by their score |
//! | `L` | hash | lock → its fence, since when, who holds it |
//! | `A` `F` | sorted sets | locks by name, those with a ttl by their end on the clock of leases |
//! | `G` | string | the last fence |
//!
//! With several nodes in its URL a store is on a cluster: `search` finds the one that serves its slot, `cluster`
//! sends there what is to be done, and says why it does not by the cluster of the client library.
//!
//! LINE is the length of the queue's name, `:`, the queue, the task: no two lines share a key, whatever
//! their names hold; SET is made of bucket and set in the same way. What is published goes through
//! `channel:`CHANNEL, the bells through `bell:` and a letter. Commands are those of Redis 6.2.

mod attempts;
mod audit;
mod bell;
mod body;
mod bytes;
mod channel;
mod claim;
mod cluster;
mod counts;
mod doctor;
mod driver;
mod error;
mod expire;
mod get;
mod keeper;
mod kv;
mod lease;
mod list;
mod lock;
mod nodes;
mod note;
mod pack;
mod pause;
mod promote;
mod prune;
mod record;
mod reply;
mod requeue;
mod rescue;
mod results;
mod revoke;
mod route;
mod script;
mod search;
mod sets;
mod settle;
mod store;
mod submit;
mod update;
mod workers;
#[cfg(feature = "yardstick")]
pub(crate) mod yardstick;

pub use store::RedisStore;
