//! The store on Redis, where it differs from the others: its server. Each test has a server of its own.

#[cfg(feature = "yardstick")]
mod bare;
mod beside;
mod cluster;
mod frozen;
mod opening;
mod packs;
mod place;
mod server;
