//! The conformance suite over every store of this crate.

mod memory {
    use crate::stores::memory;

    towpath_stores::conformance_suite!(memory);
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use crate::stores::sqlite;

    towpath_stores::conformance_suite!(sqlite);
}

#[cfg(feature = "redis")]
mod redis {
    use crate::stores::redis;

    towpath_stores::conformance_suite!(redis);
}

/// Redis with several nodes.
#[cfg(feature = "redis")]
mod cluster {
    use crate::stores::cluster;

    towpath_stores::conformance_suite!(cluster);
}

#[cfg(feature = "postgres")]
mod postgres {
    use crate::stores::postgres;

    towpath_stores::conformance_suite!(postgres);
}

/// A wrapper without a fault is not to be told from what it wraps.
mod faulty {
    use std::sync::{Arc, OnceLock};

    use towpath_stores::MemoryStore;
    use towpath_stores::conformance::Harness;
    use towpath_stores::faulty::FaultyStore;

    fn faulty() -> Harness {
        let store: OnceLock<MemoryStore> = OnceLock::new();
        Harness::new(move |clock| {
            let inner = store.get_or_init(|| MemoryStore::new(clock)).handle();
            Arc::new(FaultyStore::new(Arc::new(inner)))
        })
    }

    towpath_stores::conformance_suite!(faulty);
}
