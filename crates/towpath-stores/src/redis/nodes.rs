//! The servers that a store may be on: one, or the nodes of a cluster.
//!
//! All keys of a namespace are in one slot, so of a cluster one node at a time serves a store, its primary. Which
//! one that is, every node of the cluster tells (`search`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};
use towpath_core::url::{Host, Server};
use towpath_core::{Error, Result, StoreUrl};

use super::error::Translate;
use super::search::Search;

/// The port of a server that names none.
const PORT: u16 = 6379;
/// How many nodes of a cluster are kept in mind: more than a URL may name.
pub(super) const NODES_MAX: usize = 128;

/// How each of them is reached.
#[derive(Debug)]
pub(super) enum Nodes {
    One(Box<Client>),
    /// Those that were named, and those that they told of; the one that served the namespace last stands first.
    Cluster(Mutex<Vec<Client>>),
}

impl Nodes {
    /// Those that a URL names. Several are a cluster.
    pub(super) fn of(url: &StoreUrl, server: &Server, translate: &Translate) -> Result<Self> {
        if let [host] = server.hosts() {
            return Ok(Self::One(Box::new(client(url, server, host, translate)?)));
        }
        if server
            .database()
            .is_some_and(|database| login(server).db() != 0 || database.is_empty())
        {
            return Err(Error::invalid(format!(
                "{url}: several hosts are a cluster, and that has database 0 alone; leave the database out, and \
                 keep stores apart by ?namespace=NAME"
            )));
        }
        let hosts = server.hosts().iter();
        let clients: Result<Vec<Client>> = hosts
            .map(|host| client(url, server, host, translate))
            .collect();
        Ok(Self::Cluster(Mutex::new(clients?)))
    }

    /// Where to begin to look for the namespace.
    pub(super) fn search(&self) -> Search {
        match self {
            Self::One(client) => Search::among([client.as_ref().clone()]),
            Self::Cluster(known) => Search::among(lock(known).iter().cloned()),
        }
    }

    /// Has the next search begin with this node.
    pub(super) fn prefer(&self, node: &Client) {
        if let Self::Cluster(known) = self {
            let mut known = lock(known);
            known.retain(|other| address(other) != address(node));
            known.insert(0, node.clone());
            known.truncate(NODES_MAX);
        }
    }

    /// Where to listen: on any node of a cluster, because each is told what is published on another. First on the
    /// one that serves the namespace, and after so many `failures` in a row on one of the others.
    pub(super) fn to_listen(&self, failures: usize) -> Client {
        match self {
            Self::One(client) => client.as_ref().clone(),
            Self::Cluster(known) => {
                let known = lock(known);
                known[failures % known.len()].clone()
            }
        }
    }
}

fn lock(known: &Mutex<Vec<Client>>) -> MutexGuard<'_, Vec<Client>> {
    // Never empty, and every change leaves a list of whole clients behind.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn address(node: &Client) -> &ConnectionAddr {
    node.get_connection_info().addr()
}

/// The node that `like`, which told of it, names `HOST:PORT`: reached in the same way and with the same password.
/// `None` for what is no address. One that does not know its own name tells the port alone.
pub(super) fn told_by(like: &Client, told: &str) -> Option<Client> {
    let (told_host, told_port) = told.rsplit_once(':')?;
    let told_port = told_port.parse().ok().filter(|port| *port > 0)?;
    let mut place = address(like).clone();
    match &mut place {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            if !told_host.is_empty() && told_host != "?" {
                *host = told_host.to_owned();
            }
            *port = told_port;
        }
        _ => return None,
    }
    Client::open(like.get_connection_info().clone().set_addr(place)).ok()
}

fn client(url: &StoreUrl, server: &Server, host: &Host, translate: &Translate) -> Result<Client> {
    let (name, port) = (host.name.clone(), host.port.unwrap_or(PORT));
    let made = match server.tls() {
        None => connection_info(server, ConnectionAddr::Tcp(name, port)).and_then(Client::open),
        #[cfg(not(feature = "tls"))]
        Some(tls) => return Err(crate::tls::refuse(url, tls)),
        #[cfg(feature = "tls")]
        Some(tls) => {
            let certificates = crate::tls::certificates(url, tls)?;
            let address = ConnectionAddr::TcpTls {
                host: name,
                port,
                insecure: false,
                tls_params: None,
            };
            let info = connection_info(server, address);
            info.and_then(|info| Client::build_with_tls(info, certificates))
        }
    };
    #[cfg(not(feature = "tls"))]
    let _said_only_of_encryption = url;
    made.map_err(|error| translate.error(&error))
}

fn connection_info(server: &Server, address: ConnectionAddr) -> redis::RedisResult<ConnectionInfo> {
    Ok(address
        .into_connection_info()?
        .set_redis_settings(login(server)))
}

fn login(server: &Server) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default();
    if let Some(user) = server.user() {
        login = login.set_username(user);
    }
    if let Some(password) = server.password() {
        login = login.set_password(password.reveal());
    }
    if let Some(database) = server.database() {
        login = login.set_db(database.parse().unwrap_or_default());
    }
    login
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(url: &str) -> Result<Nodes> {
        let url: StoreUrl = url.parse().unwrap();
        let translate = Translate::new(url.to_string());
        Nodes::of(&url, url.server().unwrap(), &translate)
    }

    #[test]
    fn several_hosts_are_a_cluster_without_databases() {
        assert!(matches!(nodes("redis://a").unwrap(), Nodes::One(_)));
        assert!(matches!(nodes("redis://a/2").unwrap(), Nodes::One(_)));
        assert!(matches!(nodes("redis://a,b:7").unwrap(), Nodes::Cluster(_)));
        assert!(matches!(nodes("redis://a,b/0").unwrap(), Nodes::Cluster(_)));
        let refused = nodes("redis://u:hunter2@a,b/2").unwrap_err();
        assert_eq!(refused.kind(), towpath_core::Kind::Invalid);
        let said = refused.to_string();
        assert!(
            said.contains("redis://u@a,b/2") && !said.contains("hunter2"),
            "{said}"
        );
        assert!(said.contains("?namespace=NAME"), "{said}");
    }

    #[test]
    fn a_node_is_told_of_by_its_address() {
        let like = Client::open("redis://u:p@here:1").unwrap();
        let check = |told, expected: Option<(&str, u16)>| {
            let told = told_by(&like, told);
            let place = told.as_ref().map(|told| address(told).clone());
            let expected = expected.map(|(host, port)| ConnectionAddr::Tcp(host.to_owned(), port));
            assert_eq!(place, expected);
            if let Some(told) = told {
                assert_eq!(
                    told.get_connection_info().redis_settings().username(),
                    Some("u")
                );
            }
        };
        check("there:2", Some(("there", 2)));
        check("::1:2", Some(("::1", 2)));
        check(":2", Some(("here", 2)));
        check("?:2", Some(("here", 2)));
        check("there:0", None);
        check("there", None);
    }

    #[test]
    fn the_preferred_node_is_first_and_listeners_go_round() {
        let nodes = nodes("redis://a,b,c").unwrap();
        let place = |failures| {
            nodes
                .to_listen(failures)
                .get_connection_info()
                .addr()
                .to_string()
        };
        assert_eq!(place(0), "a:6379");
        let c = nodes.to_listen(2);
        nodes.prefer(&c);
        nodes.prefer(&told_by(&c, "d:1").unwrap());
        assert_eq!(
            [place(0), place(1), place(2), place(4)],
            ["d:1", "c:6379", "a:6379", "d:1"]
        );
    }
}
