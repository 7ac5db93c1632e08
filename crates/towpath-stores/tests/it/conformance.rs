//! The conformance suite over every store of this crate.

mod memory {
    use std::sync::{Arc, OnceLock};

    use towpath_stores::MemoryStore;
    use towpath_stores::conformance::Harness;

    /// One store in memory; to open it again is to take another handle on it.
    fn memory() -> Harness {
        let store: OnceLock<MemoryStore> = OnceLock::new();
        Harness::new(move |clock| Arc::new(store.get_or_init(|| MemoryStore::new(clock)).handle()))
    }

    towpath_stores::conformance_suite!(memory);
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use towpath_core::StoreUrl;
    use towpath_stores::conformance::Harness;

    /// One file in a directory of its own, which goes with the harness.
    fn sqlite() -> Harness {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let path = directory.path().join("towpath.db");
        let url = StoreUrl::sqlite(path.to_str().expect("a path in UTF-8"));
        Harness::new(move |clock| {
            let _kept = &directory;
            towpath_stores::open_with(&url, clock).expect("the store opens")
        })
    }

    towpath_stores::conformance_suite!(sqlite);
}
