//! How a command goes to the server: straight, or to the node of a cluster that serves the namespace.

use std::sync::Arc;

use redis::aio::{ConnectionLike as _, ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, RedisResult, Value};

use super::cluster::Cluster;
use super::driver::{CONNECT, PAUSE_MAX, PAUSE_MIN, RESPOND, TRIES};
use super::nodes::Nodes;

/// The connection that all verbs share. It makes itself again whenever the server went away.
#[derive(Clone, Debug)]
pub(super) enum Route {
    One(ConnectionManager),
    Cluster(Arc<Cluster>),
}

impl Route {
    /// Nothing is connected yet.
    pub(super) fn new(nodes: Arc<Nodes>, prefix: &str) -> RedisResult<Self> {
        let Nodes::One(client) = nodes.as_ref() else {
            return Ok(Self::Cluster(Arc::new(Cluster::new(nodes, prefix))));
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPOND))
            .set_number_of_retries(TRIES)
            .set_min_delay(PAUSE_MIN)
            .set_max_delay(PAUSE_MAX);
        ConnectionManager::new_lazy_with_config(client.as_ref().clone(), config).map(Self::One)
    }

    pub(super) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(manager) => manager.req_packed_command(command).await?.extract_error(),
            Self::Cluster(cluster) => cluster.send(command).await,
        }
    }

    /// Which node of a cluster serves the namespace; `None` where there is but one server.
    pub(super) fn node(&self) -> Option<String> {
        match self {
            Self::One(_) => None,
            Self::Cluster(cluster) => cluster.address(),
        }
    }
}
