//! Where a server listens and keeps its data.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A free port, and a directory that goes with the server.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            directory: tempfile::Builder::new()
                .prefix("towpath-server-")
                .tempdir()
                .context("failed to make a directory for a server")?,
            port: free_port()?,
        })
    }
}

/// A port that nobody listens on just now. Somebody else may take it before the server does; then the
/// server does not start, and who started it tries another.
fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 is free")?;
    Ok(listener.local_addr()?.port())
}
