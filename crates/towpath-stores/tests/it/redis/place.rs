//! Servers of a test's own, stores on them, and the verbs that tests use most.

use std::time::Duration;

use redis::{Client, Connection};
use towpath_core::store::{Claim, Selection, WorkerCard};
use towpath_core::{
    Draft, IncarnationId, MessageId, Namespace, Payload, State, Store, StoreUrl, TaskName,
};
use towpath_servers::RedisServer;
use towpath_stores::redis::RedisStore;

/// A server of a test's own, in a run that has servers.
pub(super) fn server_with(settings: &[&str]) -> Option<RedisServer> {
    towpath_servers::given(towpath_servers::REDIS_URL)?;
    Some(RedisServer::start_with(settings).expect("a server"))
}

pub(super) fn server() -> Option<RedisServer> {
    server_with(&[
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ])
}

pub(super) fn open(server: &RedisServer) -> RedisStore {
    RedisStore::open(&server.url().parse().unwrap()).unwrap()
}

pub(super) fn open_in(server: &RedisServer, namespace: &str) -> RedisStore {
    let url: StoreUrl = server.url().parse().unwrap();
    let namespace = Namespace::new(namespace).unwrap();
    RedisStore::open(&url.with_namespace(namespace)).unwrap()
}

pub(super) fn connect(server: &RedisServer) -> Connection {
    let client = Client::open(server.url()).unwrap();
    client.get_connection().unwrap()
}

pub(super) fn command(connection: &mut Connection, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec(connection).unwrap();
}

pub(super) fn draft() -> Draft {
    Draft::new(TaskName::new("t").unwrap(), Payload::json("[1]"))
}

pub(super) async fn submit(store: &RedisStore) -> towpath_core::Result<MessageId> {
    let draft = draft();
    let id = draft.id;
    store.submit(vec![draft]).await?.remove(0)?;
    Ok(id)
}

pub(super) async fn state(store: &RedisStore, id: MessageId) -> Option<State> {
    let record = store.get(vec![id]).await.unwrap().remove(0);
    record.map(|record| record.state)
}

pub(super) async fn join(store: &RedisStore, lease: Duration) -> IncarnationId {
    let incarnation = IncarnationId::new();
    store.join(card(incarnation), lease).await.unwrap();
    incarnation
}

pub(super) fn card(incarnation: IncarnationId) -> WorkerCard {
    WorkerCard {
        incarnation,
        name: "host:7".to_owned(),
        listens: String::new(),
        tasks: Vec::new(),
    }
}

pub(super) async fn claim(store: &RedisStore, incarnation: IncarnationId) -> Vec<MessageId> {
    let claimed = store.claim(claim_of(incarnation)).await.unwrap();
    claimed.iter().map(|message| message.id).collect()
}

pub(super) fn claim_of(incarnation: IncarnationId) -> Claim {
    let tasks = vec![TaskName::new("t").unwrap()];
    Claim {
        incarnation,
        max: 10,
        enough: 10,
        selection: Selection::Any { tasks }.into(),
        turn: 0,
    }
}
