//! What the client of Redis says, as errors of ours; here and nowhere else.

use std::fmt::Display;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use towpath_core::{Error, Kind, MessageId};

use super::bytes::Damaged;

/// Says what went wrong, and at which store.
#[derive(Debug, Clone)]
pub(super) struct Translate {
    url: Arc<str>,
    /// Whether the URL names several hosts.
    is_cluster: bool,
}

impl Translate {
    pub(super) fn new(url: impl Into<Arc<str>>) -> Self {
        Self {
            url: url.into(),
            is_cluster: false,
        }
    }

    /// As [`new`](Self::new), of the nodes of a cluster.
    pub(super) fn of_cluster(url: impl Into<Arc<str>>) -> Self {
        Self {
            url: url.into(),
            is_cluster: true,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The error of a command.
    pub(super) fn error(&self, error: &RedisError) -> Error {
        #[cfg(feature = "tls")]
        if let Some(refused) = crate::tls::refusal(error) {
            return Error::new(Kind::Storage, format!("{}: {refused}", self.url))
                .with_source(error.clone());
        }
        let (kind, text) = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) if !self.is_cluster => alone(),
            _ => classify(error),
        };
        Error::new(kind, format!("{}: {text}", self.url)).with_source(error.clone())
    }

    /// The error of a thread that could not be started.
    pub(super) fn thread(&self, error: std::io::Error) -> Error {
        let text = format!(
            "{}: the thread of its connections cannot be started",
            self.url
        );
        Error::new(Kind::Unavailable, text).with_source(error)
    }

    /// An answer that no script of ours gives.
    pub(super) fn answer(&self, script: &str) -> Error {
        let text = format!(
            "{}: the script {script} answered what it never does; is the namespace used by something else?",
            self.url
        );
        Error::new(Kind::Storage, text)
    }

    /// A message whose bytes cannot be read.
    pub(super) fn damaged(&self, id: MessageId, what: Damaged) -> Error {
        let text = format!("{}: message {id} is damaged: it {}", self.url, what.0);
        Error::new(Kind::Storage, text)
    }

    /// Something else that is kept and cannot be read.
    pub(super) fn unreadable(&self, what: impl Display, why: impl Display) -> Error {
        let text = format!("{}: {what} is damaged: {why}", self.url);
        Error::new(Kind::Storage, text)
    }
}

/// The answer of every verb after the store was closed.
pub(super) fn stopped(url: &str) -> Error {
    Error::new(Kind::Stopped, format!("{url}: the store was closed"))
}

/// A node of a cluster was named as if it were all.
fn alone() -> (Kind, String) {
    let text =
        "the server is one node of a cluster; name several of its nodes, as in redis://HOST,HOST";
    (Kind::Storage, text.to_owned())
}

fn classify(error: &RedisError) -> (Kind, String) {
    let said = error.detail().unwrap_or_default();
    let away = |text: &str| (Kind::Unavailable, text.to_owned());
    let broken = |text: String| (Kind::Storage, text);
    match error.kind() {
        ErrorKind::Io if error.is_timeout() => away("the server did not answer in time; try again"),
        ErrorKind::Io => away("the server is out of reach; try again"),
        ErrorKind::ClusterConnectionNotFound => {
            away("no node of the cluster is in reach; try again")
        }
        ErrorKind::AuthenticationFailed => {
            broken("the server refuses the user or the password".to_owned())
        }
        ErrorKind::Server(server) => match server {
            ServerErrorKind::BusyLoading => away("the server is loading its data; try again"),
            ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::Moved => away("the cluster is changing; try again"),
            ServerErrorKind::Ask => {
                away("the namespace is being moved to another node of the cluster; try again")
            }
            ServerErrorKind::ReadOnly => away(
                "the server is a replica that only reads; name the primary, or wait for the failover",
            ),
            ServerErrorKind::NoPerm => broken(format!("the user lacks a permission: {said}")),
            _ => broken(format!("the server refuses: {said}")),
        },
        ErrorKind::Extension => match error.code() {
            Some("OOM") => broken("the server's memory is full (maxmemory)".to_owned()),
            Some("MISCONF") => {
                broken("the server cannot save its data and takes no writes".to_owned())
            }
            Some("WRONGTYPE") => {
                broken("a key of the namespace is not of Towpath's making".to_owned())
            }
            Some("NOREPLICAS") => {
                away("the server has too few replicas to take a write; try again")
            }
            Some("BUSY") => away("the server is busy with somebody's script; try again"),
            Some("NOAUTH" | "WRONGPASS") => {
                broken("the server refuses the user or the password".to_owned())
            }
            code => broken(format!(
                "the server refuses: {} {said}",
                code.unwrap_or_default()
            )),
        },
        _ if error.is_connection_dropped() => away("the connection was lost; try again"),
        kind => broken(format!("the client of Redis failed: {kind:?} {said}")),
    }
}
