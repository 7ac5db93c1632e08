//! A fresh harness for each store of this crate.

use std::sync::{Arc, OnceLock};

use towpath_stores::MemoryStore;
use towpath_stores::conformance::Harness;

/// One store in memory; to open it again is to take another handle on it.
pub(crate) fn memory() -> Harness {
    let store: OnceLock<MemoryStore> = OnceLock::new();
    Harness::new(move |clock| Arc::new(store.get_or_init(|| MemoryStore::new(clock)).handle()))
}

/// One file in a directory of its own, which goes with the harness.
#[cfg(feature = "sqlite")]
pub(crate) fn sqlite() -> Harness {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("towpath.db");
    let url = towpath_core::StoreUrl::sqlite(path.to_str().expect("a path in UTF-8"));
    Harness::new(move |clock| {
        let _kept = &directory;
        towpath_stores::open_with(&url, clock).expect("the store opens")
    })
}

/// A namespace of its own on the Redis server of the test command, if there is one.
#[cfg(feature = "redis")]
pub(crate) fn redis() -> Option<Harness> {
    on_server(towpath_servers::REDIS_URL)
}

/// A namespace of its own on the Redis cluster of the test command, if there is one.
#[cfg(feature = "redis")]
pub(crate) fn cluster() -> Option<Harness> {
    on_server(towpath_servers::CLUSTER_URL)
}

/// A namespace of its own on the Postgres server of the test command, if there is one.
#[cfg(feature = "postgres")]
pub(crate) fn postgres() -> Option<Harness> {
    on_server(towpath_servers::POSTGRES_URL)
}

/// What is written goes with the server.
#[cfg(any(feature = "redis", feature = "postgres"))]
fn on_server(variable: &str) -> Option<Harness> {
    let server = towpath_servers::given(variable)?;
    let namespace = towpath_core::MessageId::new();
    let url = format!("{server}?namespace=test-{namespace}");
    let url: towpath_core::StoreUrl = url.parse().expect("the URL of the server");
    Some(Harness::new(move |clock| {
        towpath_stores::open_with(&url, clock).expect("the store opens")
    }))
}
