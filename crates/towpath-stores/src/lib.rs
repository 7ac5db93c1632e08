//! The stores of Towpath, and the suite that every store passes.
//!
//! The contract is [`towpath_core::Store`]; here are those who keep it. Each store is a directory with
//! the same file names, one file per verb, so that who knows one finds his way in the next.
//!
//! * [`memory`]: everything in this process. The reference for the suite, and what users test with.
//! * `sqlite` (feature `sqlite`): one file on this machine, for several processes.
//! * `redis` (feature `redis`): a Redis or Valkey server, for many machines.
//! * `postgres` (feature `postgres`): a Postgres server, for many machines.
//! * `tls` (feature `tls`): encryption on the way to a server.
//! * `conformance` (feature `conformance`): one named case per promise of the contract, for any store.
//! * `faulty` (feature `conformance`): a wrapper that fails or crashes at the n-th call.
//! * [`yardstick`] (feature `yardstick`): the bare loops beside which `towpath bench` measures a store.
//!
//! Users name the crate `towpath`; this one is public so that its siblings can meet, and semver
//! covers only what the facade re-exports.

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "conformance")]
pub mod faulty;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod gather;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod tls;

use std::sync::Arc;

use towpath_core::url::Scheme;
use towpath_core::{Clock, Result, Store, StoreUrl, SystemClock};

pub use memory::MemoryStore;

/// A bare loop over the engine of the store that `url` names, on a fresh store; `None` where there is no
/// engine to be bare on.
///
/// # Errors
///
/// As the store says it cannot be opened.
#[cfg(feature = "yardstick")]
pub fn yardstick(
    url: &StoreUrl,
    bare: towpath_core::store::Bare,
) -> Result<Option<Box<dyn towpath_core::store::Yardstick>>> {
    match url.scheme() {
        #[cfg(feature = "sqlite")]
        Scheme::Sqlite => sqlite::yardstick::open(url, bare).map(Some),
        #[cfg(feature = "postgres")]
        Scheme::Postgres => postgres::yardstick::open(url, bare).map(Some),
        #[cfg(feature = "redis")]
        Scheme::Redis => redis::yardstick::open(url, bare),
        _ => {
            let _no_engine = bare;
            Ok(None)
        }
    }
}

/// The migrations of the store that `url` names; `None` where nobody has to apply any by hand.
///
/// # Errors
///
/// As the store says it cannot be opened.
pub fn schema(url: &StoreUrl) -> Result<Option<Box<dyn towpath_core::store::Schema>>> {
    match url.scheme() {
        #[cfg(feature = "postgres")]
        Scheme::Postgres => Ok(Some(Box::new(postgres::migrate::Migrations::of(url)?))),
        #[cfg(not(feature = "postgres"))]
        Scheme::Postgres => Err(not_built(url, "Postgres", "postgres")),
        Scheme::Memory | Scheme::Sqlite | Scheme::Redis => Ok(None),
    }
}

/// Opens the store that `url` names, with the clocks of the operating system.
///
/// # Errors
///
/// As the store says it cannot be opened; [`Kind::Unsupported`](towpath_core::Kind::Unsupported) when
/// this build has no such store.
pub fn open(url: &StoreUrl) -> Result<Arc<dyn Store>> {
    match url.scheme() {
        // By the clock of its server, which is everybody's.
        #[cfg(feature = "postgres")]
        Scheme::Postgres => Ok(Arc::new(postgres::PostgresStore::open(url)?)),
        #[cfg(feature = "redis")]
        Scheme::Redis => Ok(Arc::new(redis::RedisStore::open(url)?)),
        _ => open_with(url, Arc::new(SystemClock::new())),
    }
}

/// As [`open`], with a clock that is handed in: tests move time instead of waiting for it.
///
/// # Errors
///
/// As [`open`].
pub fn open_with(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
    match url.scheme() {
        Scheme::Memory => Ok(Arc::new(MemoryStore::open(url, clock))),
        #[cfg(feature = "sqlite")]
        Scheme::Sqlite => Ok(Arc::new(sqlite::SqliteStore::open(url, clock)?)),
        #[cfg(not(feature = "sqlite"))]
        Scheme::Sqlite => Err(not_built(url, "SQLite", "sqlite")),
        #[cfg(feature = "redis")]
        Scheme::Redis => Ok(Arc::new(redis::RedisStore::open_with(url, clock)?)),
        #[cfg(not(feature = "redis"))]
        Scheme::Redis => Err(not_built(url, "Redis", "redis")),
        #[cfg(feature = "postgres")]
        Scheme::Postgres => Ok(Arc::new(postgres::PostgresStore::open_with(url, clock)?)),
        #[cfg(not(feature = "postgres"))]
        Scheme::Postgres => Err(not_built(url, "Postgres", "postgres")),
    }
}

/// What is said of a store that this build was made without.
#[cfg(not(all(feature = "postgres", feature = "redis", feature = "sqlite")))]
fn not_built(url: &StoreUrl, store: &str, feature: &str) -> towpath_core::Error {
    towpath_core::Error::new(
        towpath_core::Kind::Unsupported,
        format!("{url}: this build has no {store} store; build with the feature `{feature}`"),
    )
}
