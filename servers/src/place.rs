//! Where a server listens and keeps its data.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// How far the port of a node for other nodes is from that for clients, on every version of Redis.
const BUS: u16 = 10_000;
/// Ports for nodes of a cluster begin here. They and those of the bus are below those that systems give to
/// connections.
const CLUSTER_MIN: u16 = 10_000;
const CLUSTER_PORTS: u16 = 10_000;
const PORTS_TRIED: usize = 100;

/// A free port, and a directory that goes with the server.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
}

impl Place {
    pub(crate) fn new() -> Result<Self> {
        Self::at(free_port()?)
    }

    /// One with a free port for the nodes of a cluster among themselves, which is the port and [`BUS`].
    pub(crate) fn in_cluster() -> Result<Self> {
        Self::at(cluster_port()?)
    }

    fn at(port: u16) -> Result<Self> {
        Ok(Self {
            directory: tempfile::Builder::new()
                .prefix("towpath-server-")
                .tempdir()
                .context("failed to make a directory for a server")?,
            port,
        })
    }
}

/// A free port whose bus is free too.
pub(crate) fn cluster_port() -> Result<u16> {
    for _ in 0..PORTS_TRIED {
        let port = CLUSTER_MIN + free_port()? % CLUSTER_PORTS;
        if is_free(port) && is_free(port + BUS) {
            return Ok(port);
        }
    }
    bail!("no two ports that are {BUS} apart are free on 127.0.0.1");
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that nobody listens on just now. Somebody else may take it before the server does; then the
/// server does not start, and who started it tries another.
fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 is free")?;
    Ok(listener.local_addr()?.port())
}
