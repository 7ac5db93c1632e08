//! A server with namespaces for tests, and a look into it beside the store.

use std::sync::Arc;

use tokio_postgres::{Client, NoTls};
use towpath_core::name::Namespace;
use towpath_core::store::Selection;
use towpath_core::{Draft, MessageId, Payload, QueueName, Store, StoreUrl, TaskName};
use towpath_stores::postgres::PostgresStore;

/// A fresh namespace on the server that the test command has started.
pub(super) fn given() -> Option<StoreUrl> {
    let server = towpath_servers::given(towpath_servers::POSTGRES_URL)?;
    Some(fresh(&server))
}

/// A fresh namespace on that server.
pub(super) fn fresh(server: &str) -> StoreUrl {
    let url: StoreUrl = server.parse().expect("the URL of a server");
    url.with_namespace(namespace(&format!("test {}", MessageId::new())))
}

pub(super) fn namespace(name: &str) -> Namespace {
    Namespace::new(name).expect("a name")
}

pub(super) fn open(url: &StoreUrl) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(url).expect("a URL of Postgres"))
}

pub(super) fn draft() -> Draft {
    Draft::new(TaskName::new("t").expect("a name"), Payload::json("[1]"))
}

pub(super) fn every_t() -> Selection {
    Selection::Queues {
        queues: vec![QueueName::default()],
        tasks: vec![TaskName::new("t").expect("a name")],
    }
}

/// A connection of our own to the database of `url`, which looks into its namespace.
pub(super) async fn beside(url: &StoreUrl) -> Client {
    let server = url.server().expect("a server");
    let host = &server.hosts()[0];
    let mut config = tokio_postgres::Config::new();
    config
        .host(&host.name)
        .port(host.port.unwrap_or(5432))
        .user(server.user().unwrap_or("towpath"))
        .dbname(server.database().unwrap_or("towpath"));
    let (client, wire) = config.connect(NoTls).await.expect("the server answers");
    tokio::spawn(wire);
    let schema = url.namespace().as_str().replace('"', "\"\"");
    let sql = format!("SET search_path TO \"{schema}\"");
    client.batch_execute(&sql).await.expect("a schema's name");
    client
}

/// A user of a test's own on the server of `url`, who has no rights yet; the same store as he names it.
pub(super) async fn role(beside: &Client, url: &StoreUrl) -> StoreUrl {
    let role = format!("r{}", MessageId::new()).replace('-', "");
    let sql = format!("CREATE ROLE {role} LOGIN");
    beside.batch_execute(&sql).await.expect("a fresh role");
    let server = url.server().expect("a server");
    let port = server.hosts()[0].port.unwrap_or(5432);
    let database = server.database().unwrap_or("towpath");
    let theirs: StoreUrl = format!("postgres://{role}@127.0.0.1:{port}/{database}")
        .parse()
        .expect("a URL");
    theirs.with_namespace(url.namespace().clone())
}
