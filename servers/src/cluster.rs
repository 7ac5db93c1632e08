//! A Redis cluster of a test's own: three primaries, and a replica of each.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::authority::Authority;
use crate::place::cluster_port;
use crate::redis::RedisServer;
use crate::wire;

const PRIMARIES: usize = 3;
const NODES: usize = 2 * PRIMARIES;
const SLOTS: usize = 16_384;
/// Longest wait for the nodes to agree on something.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Each node writes its log at every write, and takes another for dead after a second and a half.
const SETTINGS: &[&str] = &[
    "--save",
    "",
    "--appendonly",
    "yes",
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "1500",
    // However long it heard nothing of its primary, a replica may take over.
    "--cluster-replica-validity-factor",
    "0",
    "--repl-diskless-sync-delay",
    "0",
];

/// A Redis cluster; it ends with this handle, and its data with it.
///
/// A node is named by its place in [`nodes`](RedisCluster::nodes). Which of them are primaries changes with every
/// failover.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// Where each of them is spoken to by clients, and by the others when they meet.
    ports: Vec<u16>,
    /// Of its URL.
    scheme: &'static str,
}

impl RedisCluster {
    /// A cluster that serves all slots, with replicas that have what their primaries have.
    ///
    /// # Errors
    ///
    /// When there is no `redis-server`, or the nodes do not agree in time.
    pub fn start() -> Result<Self> {
        let mut cluster = Self {
            nodes: Vec::new(),
            ports: Vec::new(),
            scheme: "redis",
        };
        for _ in 0..NODES {
            let node = RedisServer::start_node(SETTINGS)?;
            cluster.ports.push(node.port());
            cluster.nodes.push(node);
        }
        cluster.unite()
    }

    /// The same, encrypted: its nodes speak TLS with clients and with each other, under certificates of `authority`
    /// for 127.0.0.1. Only [`ask`](RedisCluster::ask) goes unencrypted.
    ///
    /// # Errors
    ///
    /// As [`start`](RedisCluster::start); and when there is no `openssl`.
    pub fn start_encrypted(authority: &Authority) -> Result<Self> {
        let mut cluster = Self {
            nodes: Vec::new(),
            ports: Vec::new(),
            scheme: "rediss",
        };
        let issued = authority.issue("127.0.0.1")?;
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
        let (certificate, key) = (path(&issued.certificate)?, path(&issued.key)?);
        let trusted = path(&authority.certificate())?;
        for _ in 0..NODES {
            let port = cluster_port()?;
            let encrypted = [
                ["--tls-port", &port.to_string()],
                ["--tls-cluster", "yes"],
                ["--tls-replication", "yes"],
                ["--tls-auth-clients", "no"],
                ["--tls-cert-file", &certificate],
                ["--tls-key-file", &key],
                ["--tls-ca-cert-file", &trusted],
            ];
            let settings = [SETTINGS, encrypted.as_flattened()].concat();
            cluster.nodes.push(RedisServer::start_node(&settings)?);
            cluster.ports.push(port);
        }
        cluster.unite()
    }

    /// Makes one cluster of nodes that know nothing of each other.
    fn unite(self) -> Result<Self> {
        self.share_out_slots()?;
        self.introduce()?;
        self.replicate()?;
        self.wait_until_whole()?;
        Ok(self)
    }

    /// The URL that names all its nodes.
    pub fn url(&self) -> String {
        let all: Vec<usize> = (0..NODES).collect();
        self.url_of(&all)
    }

    /// The URL that names some of its nodes.
    pub fn url_of(&self, nodes: &[usize]) -> String {
        let hosts: Vec<String> = nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", self.ports[*node]))
            .collect();
        format!("{}://{}", self.scheme, hosts.join(","))
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Sends a node a command that is answered by a text or a number.
    ///
    /// # Errors
    ///
    /// When the node does not answer, or refuses.
    pub fn ask(&self, node: usize, words: &[&str]) -> Result<String> {
        wire::ask(self.nodes[node].port(), words)
    }

    /// The node that serves the slot of `key`, as the others see it.
    ///
    /// # Errors
    ///
    /// When nobody serves it just now.
    pub fn primary_of(&self, key: &str) -> Result<usize> {
        for asked in 0..NODES {
            let Ok(slot) = self.ask(asked, &["CLUSTER", "KEYSLOT", key]) else {
                continue;
            };
            let view = self.ask(asked, &["CLUSTER", "NODES"])?;
            let serves = view.lines().find(|line| serves(line, &slot));
            let Some(port) = serves.and_then(port) else {
                continue;
            };
            // Some versions tell who asks without TLS the ports without it.
            let node = (0..NODES)
                .find(|node| self.ports[*node] == port || self.nodes[*node].port() == port);
            return node.context("a node that is none of ours");
        }
        bail!("nobody serves the slot of {key:?}");
    }

    /// Ends a node as a loss of power of its own would.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.nodes[node].kill()
    }

    /// Starts a node again, with the same data; it joins the others by itself.
    ///
    /// # Errors
    ///
    /// When it does not answer in time.
    pub fn start_again(&mut self, node: usize) -> Result<()> {
        self.nodes[node].start_again()
    }

    /// Waits until every node runs, knows that all slots are served, and every replica has what its primary has.
    ///
    /// # Errors
    ///
    /// When that takes longer than a minute.
    pub fn wait_until_whole(&self) -> Result<()> {
        until("the cluster serves all slots", || {
            (0..NODES).all(|node| {
                let says = |words: &[&str], what: &str| {
                    let said = self.ask(node, words);
                    said.is_ok_and(|said| said.contains(what))
                };
                let follows = says(&["INFO", "replication"], "master_link_status:up");
                let leads = says(&["INFO", "replication"], "connected_slaves:1");
                says(&["CLUSTER", "INFO"], "cluster_state:ok") && (leads || follows)
            })
        })
    }

    fn share_out_slots(&self) -> Result<()> {
        for primary in 0..PRIMARIES {
            let epoch = (primary + 1).to_string();
            self.ask(primary, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
            // One by one: a range is new in 7.0.
            let first = primary * SLOTS / PRIMARIES;
            let slots: Vec<String> = (first..(primary + 1) * SLOTS / PRIMARIES)
                .map(|slot| slot.to_string())
                .collect();
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(slots.iter().map(String::as_str));
            self.ask(primary, &words)?;
        }
        Ok(())
    }

    fn introduce(&self) -> Result<()> {
        for port in &self.ports[1..] {
            self.ask(0, &["CLUSTER", "MEET", "127.0.0.1", &port.to_string()])?;
        }
        until("the nodes know each other", || {
            (0..NODES).all(|node| {
                let known = self.ask(node, &["CLUSTER", "INFO"]);
                known.is_ok_and(|known| known.contains(&format!("cluster_known_nodes:{NODES}\r")))
            })
        })
    }

    fn replicate(&self) -> Result<()> {
        for primary in 0..PRIMARIES {
            let id = self.ask(primary, &["CLUSTER", "MYID"])?;
            let replica = primary + PRIMARIES;
            // It may be introduced, but not yet have spoken to this one.
            until("a replica knows its primary", || {
                let done = self.ask(replica, &["CLUSTER", "REPLICATE", &id]);
                done.is_ok()
            })?;
        }
        Ok(())
    }
}

/// Whether this line of `CLUSTER NODES` is of a primary that lives and has the slot.
fn serves(line: &str, slot: &str) -> bool {
    let mut words = line.split(' ');
    let flags = words.nth(2).unwrap_or_default();
    let lives = flags.split(',').any(|flag| flag == "master") && !flags.contains("fail");
    let slot: Option<usize> = slot.parse().ok();
    // Behind the flags: primary, two times, epoch, link; then what it serves.
    lives
        && words.skip(5).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first = first.parse().ok();
            first.is_some() && first <= slot && slot <= last.parse().ok()
        })
}

/// The port in a line of `CLUSTER NODES`, whose second word is `HOST:PORT@BUS`.
fn port(line: &str) -> Option<u16> {
    let address = line.split(' ').nth(1)?.split('@').next()?;
    address.rsplit_once(':')?.1.parse().ok()
}

fn until(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        if Instant::now() > deadline {
            bail!("it took too long until {what}");
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_who_serves_a_slot() {
        let line =
            "07c3 127.0.0.1:30004@40004 myself,master - 0 0 4 connected 0-99 200 [300->-67ed]";
        assert_eq!(port(line), Some(30_004));
        let check = |slot, expected| assert_eq!(serves(line, slot), expected, "{slot}");
        check("0", true);
        check("99", true);
        check("100", false);
        check("200", true);
        check("300", false);
        assert!(!serves(&line.replace("master", "master,fail"), "0"));
        assert!(!serves(&line.replace("master", "slave"), "0"));
    }

    #[test]
    fn a_replica_takes_over_from_a_primary_that_was_killed() {
        if crate::given(crate::REDIS_URL).is_none() {
            return;
        }
        let mut cluster = RedisCluster::start().unwrap();
        let primary = cluster.primary_of("key").unwrap();
        assert!(primary < PRIMARIES);
        cluster.kill(primary).unwrap();
        until("somebody else serves the key", || {
            let now = cluster.primary_of("key");
            now.is_ok_and(|now| now != primary)
        })
        .unwrap();
        assert_eq!(cluster.primary_of("key").unwrap(), primary + PRIMARIES);
        cluster.start_again(primary).unwrap();
        cluster.wait_until_whole().unwrap();
    }
}
