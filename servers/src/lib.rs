//! Real servers for tests: started on a free loopback port in a directory of their own, and stopped at
//! the latest when their handle is dropped.
//!
//! `cargo xtask test` starts one of each for the conformance suites and tells their URLs through
//! [`REDIS_URL`], [`CLUSTER_URL`] and [`POSTGRES_URL`]; tests that stop, freeze or kill a server start their own. Nothing
//! here knows of Towpath: what is inside a server is the business of its test.

mod authority;
mod cluster;
mod place;
mod postgres;
mod process;
mod programs;
mod proxy;
mod redis;
mod wire;

pub use authority::{Authority, Certificate};
pub use cluster::RedisCluster;
pub use postgres::PostgresServer;
pub use programs::{Missing, install, missing};
pub use proxy::Proxy;
pub use redis::RedisServer;

/// The environment variable that tells tests of a Redis server.
pub const REDIS_URL: &str = "TOWPATH_TEST_REDIS";
/// The environment variable that tells tests of a Redis cluster.
pub const CLUSTER_URL: &str = "TOWPATH_TEST_CLUSTER";
/// The environment variable that tells tests of a Postgres server.
pub const POSTGRES_URL: &str = "TOWPATH_TEST_POSTGRES";

/// The server that the test command has started, or `None`, said aloud, where it was not asked to: a test
/// that needs a server then has nothing to test.
///
/// # Panics
///
/// Where there is none although `CI` is set: a test that is passed over there has failed.
pub fn given(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok();
    if url.is_none() {
        let why = format!("{variable} names no server; `cargo xtask test` starts one");
        assert!(std::env::var_os("CI").is_none(), "skipped on CI: {why}");
        eprintln!("SKIPPED: {why}");
    }
    url
}
