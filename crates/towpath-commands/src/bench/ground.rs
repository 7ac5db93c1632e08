//! Where the stores of a bench live: fresh ones, removed as soon as they are done with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use towpath_core::store::{Bare, Yardstick};
use towpath_core::url::{Durability, Scheme};
use towpath_core::{Error, Kind, Namespace, Store, StoreUrl};
use towpath_runtime::App;

use super::tasks::{self, Seen};
use crate::exit::{Failure, Result};
use crate::run::Setup;
use crate::store::Yard;

pub(super) struct Ground {
    setup: Setup,
    /// What the stores are like; only the durability and, of a file, the directory are taken from it.
    like: StoreUrl,
    directory: PathBuf,
    made: AtomicU32,
}

/// One fresh store's place. What is in it is removed with this.
pub(super) struct Site {
    pub(super) url: StoreUrl,
    directory: Option<PathBuf>,
    /// Opens what clears a namespace on a server.
    cleared_by: Option<Yard>,
}

impl Ground {
    pub(super) fn new(setup: Setup, store: Option<StoreUrl>) -> Result<Self> {
        let like = store.unwrap_or_else(|| StoreUrl::sqlite("bench.db"));
        let named = match like.scheme() {
            Scheme::Sqlite => Path::new(like.path())
                .parent()
                .filter(|_| like.path() != "bench.db"),
            Scheme::Memory | Scheme::Redis | Scheme::Postgres => None,
        };
        let directory = match named {
            Some(named) if named.as_os_str().is_empty() => PathBuf::from("."),
            Some(named) => named.to_owned(),
            None => std::env::temp_dir(),
        };
        Ok(Self {
            setup,
            like,
            directory,
            made: AtomicU32::new(0),
        })
    }

    /// Whether one connection carries several calls at a time.
    pub(super) fn pipelines(&self) -> bool {
        self.like.scheme() == Scheme::Redis
    }

    /// What kind of store is measured, for the report.
    pub(super) fn store(&self) -> String {
        match self.like.scheme() {
            Scheme::Memory | Scheme::Redis | Scheme::Postgres => self.like.to_string(),
            Scheme::Sqlite => format!(
                "SQLite, durability={}, in {}",
                durability(&self.like),
                self.directory.display()
            ),
        }
    }

    /// Whether other processes can work on the same store.
    pub(super) fn is_shared(&self) -> bool {
        self.like.scheme() != Scheme::Memory
    }

    /// Whether it is a server that has the store.
    pub(super) fn is_on_server(&self) -> bool {
        match self.like.scheme() {
            Scheme::Redis | Scheme::Postgres => true,
            Scheme::Memory | Scheme::Sqlite => false,
        }
    }

    pub(super) fn fresh(&self) -> Result<Site> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("towpath-bench-{}-{number}", std::process::id());
        if self.like.scheme() != Scheme::Sqlite {
            // A namespace of its own; what is in memory has nothing but itself anyway.
            return Ok(Site {
                url: self.like.clone().with_namespace(Namespace::new(name)?),
                directory: None,
                cleared_by: self.is_on_server().then_some(self.setup.yardstick),
            });
        }
        let directory = self.directory.join(name);
        make_private(&directory).map_err(|e| {
            let text = format!("the directory {} cannot be made: {e}", directory.display());
            Failure::from(Error::new(Kind::Storage, text))
                .hint("name another place with --store sqlite:PATH")
        })?;
        let mut site = Site {
            url: self.like.clone(),
            directory: Some(directory.clone()),
            cleared_by: None,
        };
        let file = directory.join("bench.db");
        let Some(file) = file.to_str() else {
            return Err(Failure::usage(
                "the path of the bench's directory is not UTF-8",
            ));
        };
        site.url = StoreUrl::sqlite(file).with_durability(self.like.durability());
        Ok(site)
    }

    pub(super) fn open(&self, site: &Site) -> Result<Arc<dyn Store>> {
        Ok((self.setup.open)(&site.url)?)
    }

    /// The bench's tasks on the store of `site`, noting in `seen` what they run.
    pub(super) fn app(&self, site: &Site, seen: &Arc<Seen>) -> Result<App> {
        Ok(tasks::add(App::new(self.open(site)?), seen))
    }

    pub(super) fn bare(&self, site: &Site, bare: Bare) -> Result<Option<Box<dyn Yardstick>>> {
        Ok((self.setup.yardstick)(&site.url, bare)?)
    }
}

impl Site {
    /// The size of the store's file and of its log, in bytes; `None` where the store has no file.
    pub(super) fn sizes(&self) -> Option<(u64, u64)> {
        let directory = self.directory.as_ref()?;
        // By their names: SQLite's locks would be gone if anybody here opened and closed the file.
        let size = |name: &str| {
            directory
                .join(name)
                .metadata()
                .map_or(0, |found| found.len())
        };
        Some((size("bench.db"), size("bench.db-wal")))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(open) = self.cleared_by {
            // A server that is gone by now keeps what was written; the namespace is named for us.
            if let Ok(Some(mut yardstick)) = open(&self.url, Bare::Own) {
                let _ = yardstick.clear();
            }
        }
        if let Some(directory) = &self.directory {
            // What cannot be removed is in a directory for temporary files, and named for us.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

fn durability(url: &StoreUrl) -> &'static str {
    match url.durability() {
        Durability::Normal => "normal",
        Durability::Full => "full",
    }
}

fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
