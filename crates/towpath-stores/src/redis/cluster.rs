//! The way to the node of a cluster that serves a namespace: one connection, and a search when it is another's.
//!
//! The cluster of the client library is not used: it sends a command again whose connection was lost, and follows
//! a slot that is on its way; either can lose messages (`search` says why).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::driver::{CONNECT, PAUSE_MAX, PAUSE_MIN, RESPOND};
use super::nodes::{Nodes, address};
use super::search::{self, Then, judge, judge_search, moved_to};

/// How often one command is sent, or a node looked for to send it to. Between come pauses that double.
pub(super) const TRIES: u32 = 5;

/// The way there.
#[derive(Debug)]
pub(super) struct Cluster {
    nodes: Arc<Nodes>,
    question: Cmd,
    /// Replaced by whoever finds that it leads nowhere.
    place: Mutex<Place>,
}

/// Who serves the namespace, once that was looked for. All who wait share what one search has found, also that it
/// found nobody.
type Place = Arc<OnceCell<RedisResult<Primary>>>;

#[derive(Debug, Clone)]
struct Primary {
    node: Client,
    connection: MultiplexedConnection,
}

impl Cluster {
    pub(super) fn new(nodes: Arc<Nodes>, prefix: &str) -> Self {
        Self {
            nodes,
            question: search::question(prefix),
            place: Mutex::default(),
        }
    }

    /// Sends the command to who serves the namespace. It is sent again only where it certainly was not done.
    pub(super) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let started = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let place = self.place();
            let (error, then) = match place.get_or_init(|| self.find()).await {
                Err(error) => (error.clone(), judge_search(error)),
                Ok(primary) => match ask(&primary.connection, command).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        if let Some(told) = moved_to(&primary.node, &error) {
                            self.nodes.prefer(&told);
                        }
                        let then = judge(&error);
                        (error, then)
                    }
                },
            };
            if matches!(then, Then::SearchAgain | Then::Lost) || matches!(place.get(), Some(Err(_)))
            {
                self.leave(&place);
            }
            let may_again = tries < TRIES && started.elapsed() < RESPOND;
            if !may_again || matches!(then, Then::Lost | Then::Tell) {
                return Err(error);
            }
            tokio::time::sleep(pause(tries)).await;
        }
    }

    /// Where the node is that serves the namespace, as far as that is known.
    pub(super) fn address(&self) -> Option<String> {
        let place = self.place();
        let primary = place.get()?.as_ref().ok()?;
        Some(address(&primary.node).to_string())
    }

    fn place(&self) -> Place {
        // A plain value that is replaced whole.
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }

    /// Has the next command look for the node anew, unless somebody else already has.
    fn leave(&self, left: &Place) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&place, left) {
            *place = Place::default();
        }
    }

    async fn find(&self) -> RedisResult<Primary> {
        let mut search = self.nodes.search();
        let found = tokio::time::timeout(RESPOND, async {
            while let Some(node) = search.next() {
                let connected = tokio::time::timeout(CONNECT, self.visit(&node)).await;
                let connected = connected.unwrap_or_else(|_| Err(late()));
                let (connection, answer) = match connected {
                    Ok((connection, answer)) => (Some(connection), answer),
                    Err(error) => (None, Err(error)),
                };
                if search.is_found(&node, answer)
                    && let Some(connection) = connection
                {
                    return Some(Primary { node, connection });
                }
            }
            None
        });
        match found.await {
            Ok(Some(primary)) => {
                self.nodes.prefer(&primary.node);
                Ok(primary)
            }
            Ok(None) => Err(search.failed()),
            Err(_) => Err(late()),
        }
    }

    /// A connection to a node, and what it says about the namespace.
    async fn visit(
        &self,
        node: &Client,
    ) -> RedisResult<(MultiplexedConnection, RedisResult<Value>)> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPOND));
        let connection = node.get_multiplexed_async_connection_with_config(&config);
        let connection = connection.await?;
        let answer = ask(&connection, &self.question).await;
        Ok((connection, answer))
    }
}

async fn ask(connection: &MultiplexedConnection, command: &Cmd) -> RedisResult<Value> {
    let mut connection = connection.clone();
    connection
        .req_packed_command(command)
        .await?
        .extract_error()
}

fn late() -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// How long to wait after so many tries, with jitter.
pub(super) fn pause(tries: u32) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << tries.min(16)).min(PAUSE_MAX);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
