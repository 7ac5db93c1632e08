//! Where the store of a soak is: in a file beside the journals, on a server of the soak's own, or where
//! the plan says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use towpath::{Store, StoreUrl};
use towpath_servers::{PostgresServer, RedisServer};

use crate::worker::keep_all;

/// The environment variable that tells a process of the soak its store: whoever lists processes sees
/// their arguments, and a URL may hold a password.
pub const STORE_URL: &str = "TOWPATH_SOAK_STORE";

/// The place of a store, and the server if it is the soak's own.
pub struct Ground {
    /// As a person may see it.
    url: StoreUrl,
    /// With its password.
    revealed: String,
    server: Option<Server>,
}

/// A server that ends with the soak. None of its processes is ever killed.
enum Server {
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl Ground {
    /// The store that a plan names; without a name, a file in `directory`.
    ///
    /// # Errors
    ///
    /// When the URL is none, a server cannot be started, or no other process could reach the store.
    pub fn new(named: Option<&str>, directory: &Path) -> Result<Self> {
        let own = |server: &str| {
            format!("failed to start {server}; --store takes the URL of a server that runs, too")
        };
        let server = match named {
            Some("redis") => Some(Server::Redis(
                RedisServer::start().with_context(|| own("Redis"))?,
            )),
            Some("postgres") => Some(Server::Postgres(
                PostgresServer::start().with_context(|| own("Postgres"))?,
            )),
            _ => None,
        };
        let revealed = match (&server, named) {
            (Some(server), _) => server.url(),
            (None, Some(named)) => named.to_owned(),
            (None, None) => format!("sqlite:{}", directory.join("soak.db").display()),
        };
        let this = Self {
            url: revealed.parse()?,
            revealed,
            server,
        };
        let url = &this.url;
        anyhow::ensure!(
            this.open()?.capabilities().shared,
            "{url} cannot be reached by several processes; a soak needs a store that can"
        );
        Ok(this)
    }

    /// The store's URL, fit to be shown.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The URL for [`STORE_URL`].
    pub fn revealed(&self) -> &str {
        &self.revealed
    }

    /// The store, for those who look.
    ///
    /// # Errors
    ///
    /// As opening it.
    pub fn open(&self) -> Result<Arc<dyn Store>> {
        let store = towpath::open(&self.revealed)?;
        store.set_retention(keep_all());
        Ok(store)
    }

    /// Stops the soak's own server and keeps its data; answers where. `None` where there is no such server.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn keep(self) -> Result<Option<PathBuf>> {
        self.server.map(Server::keep).transpose()
    }
}

impl Server {
    fn url(&self) -> String {
        match self {
            Server::Redis(server) => server.url(),
            Server::Postgres(server) => server.url(),
        }
    }

    fn keep(self) -> Result<PathBuf> {
        match self {
            Server::Redis(server) => server.keep(),
            Server::Postgres(server) => server.keep(),
        }
    }
}
