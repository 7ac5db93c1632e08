//! Real workers on stores whose servers are stopped, killed and cut off: each case over every server.

mod away;
mod dead_connections;
mod other_processes;

use tempfile::TempDir;
use towpath::App;
use towpath_servers::{POSTGRES_URL, PostgresServer, REDIS_URL, RedisServer};

use crate::kills::tasks::{Marks, app_on};

/// Makes a test of each case for each server: a case is an `async fn(Server)`.
macro_rules! on_every_server {
    ($($case:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(server) = crate::servers::Server::redis() {
                    super::$case(server).await;
                }
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(server) = crate::servers::Server::postgres() {
                    super::$case(server).await;
                }
            })+
        }
    };
}
use on_every_server;

/// A server of a test's own, and a directory for what its processes share besides.
struct Server {
    kind: Kind,
    directory: TempDir,
}

enum Kind {
    Redis(RedisServer),
    Postgres(PostgresServer),
}

impl Server {
    /// `None`, said aloud, where the test command has started no servers.
    fn redis() -> Option<Self> {
        towpath_servers::given(REDIS_URL)?;
        // What was answered is on the disk, so that it is there after any end.
        let durable = [
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ];
        let server = RedisServer::start_with(&durable).unwrap();
        Some(Self::of(Kind::Redis(server)))
    }

    fn postgres() -> Option<Self> {
        towpath_servers::given(POSTGRES_URL)?;
        Some(Self::of(Kind::Postgres(PostgresServer::start().unwrap())))
    }

    fn of(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { kind, directory }
    }

    fn url(&self) -> String {
        match &self.kind {
            Kind::Redis(server) => server.url(),
            Kind::Postgres(server) => server.url(),
        }
    }

    fn port(&self) -> u16 {
        match &self.kind {
            Kind::Redis(server) => server.port(),
            Kind::Postgres(server) => server.port(),
        }
    }

    /// Its URL by way of another port.
    fn url_by(&self, port: u16) -> String {
        let here = format!(":{}", self.port());
        let url = self.url();
        assert!(url.contains(&here), "{url}");
        url.replacen(&here, &format!(":{port}"), 1)
    }

    fn app(&self) -> App {
        self.app_at(&self.url())
    }

    fn app_at(&self, url: &str) -> App {
        app_on(
            towpath::open(url).unwrap(),
            Marks::of(self.directory.path()),
        )
    }

    fn kill(&mut self) {
        match &mut self.kind {
            Kind::Redis(server) => server.kill().unwrap(),
            Kind::Postgres(server) => server.kill().unwrap(),
        }
    }

    fn start_again(&mut self) {
        match &mut self.kind {
            Kind::Redis(server) => server.start_again().unwrap(),
            Kind::Postgres(server) => server.start_again().unwrap(),
        }
    }
}
