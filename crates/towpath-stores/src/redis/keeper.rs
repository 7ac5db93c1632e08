//! The way of the heartbeat: a connection of its own that blocks its thread. On a cluster it goes to the node that
//! serves the namespace, and is found as the driver's is (`cluster`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Client, Cmd, Connection, RedisResult, ServerErrorKind, Value};
use towpath_core::store::{Extend, LeaseKeeper, LockToken};
use towpath_core::{Error, Result, limits};

use super::cluster::{TRIES, pause};
use super::driver::{CONNECT, HEARTBEAT, RESPOND};
use super::lease::{lease_lost, token};
use super::nodes::Nodes;
use super::reply;
use super::script::{Call, EXTEND};
use super::search::{self, Then, judge, judge_search, moved_to};
use super::store::Shared;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    /// Made anew when it was lost.
    connection: Option<(Client, Connection)>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connection: None,
        }
    }

    fn ask(&mut self, call: &Call) -> Result<Value> {
        self.call(call).map_err(|error| {
            // Whatever it was: the next heartbeat begins with a fresh connection.
            self.connection = None;
            self.shared.translate.error(&error)
        })
    }

    fn call(&mut self, call: &Call) -> RedisResult<Value> {
        match self.send(&call.command) {
            Err(error) if error.kind() == ServerErrorKind::NoScript.into() => {
                self.send(&call.whole())
            }
            answer => answer,
        }
    }

    /// Sends the command. On a cluster it is sent again where it certainly was not done.
    fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, then) = match self.connected() {
                Err(error) => {
                    let then = judge_search(&error);
                    (error, then)
                }
                Ok((node, connection)) => match command.query(connection) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        let (told, then) = (moved_to(node, &error), judge(&error));
                        if let Some(told) = told {
                            self.shared.nodes().prefer(&told);
                        }
                        (error, then)
                    }
                },
            };
            if matches!(then, Then::SearchAgain) {
                self.connection = None;
            }
            let is_cluster = matches!(self.shared.nodes(), Nodes::Cluster(_));
            let may_again = is_cluster && tries < TRIES && started.elapsed() < RESPOND;
            if !may_again || matches!(then, Then::Lost | Then::Tell) {
                return Err(error);
            }
            std::thread::sleep(pause(tries));
        }
    }

    fn connected(&mut self) -> RedisResult<&mut (Client, Connection)> {
        match &mut self.connection {
            Some(connected) => Ok(connected),
            none => Ok(none.insert(find(&self.shared)?)),
        }
    }
}

/// A connection to the server, or to the node that serves the namespace.
fn find(shared: &Shared) -> RedisResult<(Client, Connection)> {
    let nodes = shared.nodes();
    if let Nodes::One(client) = nodes {
        return Ok((client.as_ref().clone(), connect(client, HEARTBEAT)?));
    }
    let started = Instant::now();
    let mut search = nodes.search();
    while started.elapsed() < RESPOND
        && let Some(node) = search.next()
    {
        let connected = connect(&node, CONNECT);
        let (connection, answer) = match connected {
            Err(error) => (None, Err(error)),
            Ok(mut connection) => {
                let answer = search::question(shared.prefix()).query(&mut connection);
                (Some(connection), answer)
            }
        };
        if search.is_found(&node, answer)
            && let Some(connection) = connection
        {
            connection.set_read_timeout(Some(HEARTBEAT))?;
            nodes.prefer(&node);
            return Ok((node, connection));
        }
    }
    Err(search.failed())
}

fn connect(node: &Client, patience: Duration) -> RedisResult<Connection> {
    let connection = node.get_connection_with_timeout(CONNECT)?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(HEARTBEAT))?;
    Ok(connection)
}

impl LeaseKeeper for Keeper {
    fn extend(&mut self, extend: Extend<'_>) -> Result<()> {
        let started = extend.started.len();
        if started > limits::STARTED_PER_HEARTBEAT {
            let limit = limits::STARTED_PER_HEARTBEAT;
            return Err(Error::invalid(format!(
                "a heartbeat with {started} started attempts, the limit is {limit}"
            )));
        }
        let mut call = self.shared.lease_call(&EXTEND);
        call.bytes(extend.incarnation.as_bytes())
            .number(super::bytes::millis(extend.lease));
        for started in extend.started {
            call.bytes(&token(*started));
        }
        let answer = self.ask(&call)?;
        if reply::yes(&answer) {
            Ok(())
        } else {
            Err(lease_lost(extend.incarnation))
        }
    }

    fn renew(&mut self, renewals: &[(LockToken, Option<Duration>)]) -> Result<Vec<Result<()>>> {
        let call = self.shared.renewal(renewals)?;
        let answer = self.ask(&call)?;
        self.shared.read_renewed(renewals, answer)
    }
}
