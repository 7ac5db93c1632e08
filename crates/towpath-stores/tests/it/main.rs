//! The tests of the stores: the suite over each of them, faults at every call, random lives.

mod conformance;
mod faulty;
mod model;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stores;
#[cfg(feature = "tls")]
mod tls;
