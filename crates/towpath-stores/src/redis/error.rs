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
            ServerErrorKind::ReadOnly => by_code("READONLY", said),
            ServerErrorKind::NoPerm => by_code("NOPERM", said),
            _ => by_code(code_in_script(said).unwrap_or_default(), said),
        },
        ErrorKind::Extension => by_code(error.code().unwrap_or_default(), said),
        _ if error.is_connection_dropped() => away("the connection was lost; try again"),
        kind => broken(format!("the client of Redis failed: {kind:?} {said}")),
    }
}

/// The code of an error that a command within a script gave. From version 7 on a server tells it as that of the
/// script; before, it stands at the end of a sentence.
fn code_in_script(said: &str) -> Option<&str> {
    // Redis 6.2 says where twice for some.
    let (_where, error) = said.rsplit_once("@user_script:")?;
    let (_line, error) = error.split_once(": ")?;
    error.trim_start_matches('-').split(' ').next()
}

fn by_code(code: &str, said: &str) -> (Kind, String) {
    let away = |text: &str| (Kind::Unavailable, text.to_owned());
    let broken = |text: &str| (Kind::Storage, text.to_owned());
    match code {
        "READONLY" => away(
            "the server is a replica that only reads; name the primary, or wait for the failover",
        ),
        "NOREPLICAS" => away("the server has too few replicas to take a write; try again"),
        "BUSY" => away("the server is busy with somebody's script; try again"),
        "OOM" => broken("the server's memory is full (maxmemory)"),
        "MISCONF" => broken("the server cannot save its data and takes no writes"),
        "WRONGTYPE" => broken("a key of the namespace is not of Towpath's making"),
        "NOAUTH" | "WRONGPASS" => broken("the server refuses the user or the password"),
        "NOPERM" => (
            Kind::Storage,
            format!("the user lacks a permission: {said}"),
        ),
        "" => (Kind::Storage, format!("the server refuses: {said}")),
        code => (Kind::Storage, format!("the server refuses: {code} {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_within_scripts_are_told_by_their_code() {
        let check = |said, code| assert_eq!(code_in_script(said), code, "{said}");
        check(
            "Error running script (call to f_1b): @user_script:12: WRONGTYPE Operation against a key",
            Some("WRONGTYPE"),
        );
        check(
            "Error running script (call to f_1b): @user_script:7: -READONLY You can't write",
            Some("READONLY"),
        );
        check(
            "Error running script (call to f_1b): @user_script:26: @user_script: 26: -READONLY You can't",
            Some("READONLY"),
        );
        check("unknown command 'x'", None);
        let replica = by_code("READONLY", "");
        assert_eq!(replica.0, Kind::Unavailable);
        assert_eq!(by_code("WRONGTYPE", "").0, Kind::Storage);
    }
}
