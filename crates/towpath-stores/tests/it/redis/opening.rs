//! Opening: with a client of the program's own, and what is told of a server that may lose messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::Client;
use towpath_core::name::ChannelName;
use towpath_core::store::{Heard, Topic};
use towpath_core::{Namespace, Payload, Store};
use towpath_stores::redis::RedisStore;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::place::{claim, join, open_in, server, server_with, state, submit};

#[tokio::test]
async fn a_client_of_the_programs_own_leads_to_the_same_messages() {
    let Some(server) = server() else { return };
    let client = Client::open(server.url()).unwrap();
    let namespace = Namespace::new("mail").unwrap();
    let store = RedisStore::from_client(client, &namespace);
    assert_eq!(store.url(), format!("{}?namespace=mail", server.url()));
    let id = submit(&store).await.unwrap();
    let other = open_in(&server, "mail");
    assert_eq!(other.url(), store.url());
    assert_eq!(state(&other, id).await, state(&store, id).await);
    assert!(state(&other, id).await.is_some());
}

/// Keeps what was told of one store.
struct Told {
    url: String,
    problems: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Read {
    store: String,
    message: String,
}

impl Visit for Read {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "store" => self.store = format!("{value:?}").trim_matches('"').to_owned(),
            "message" => self.message = format!("{value:?}"),
            _ => {}
        }
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut read = Read::default();
        event.record(&mut read);
        if read.store == self.url {
            self.problems.lock().unwrap().push(read.message);
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The only test of this binary that listens to what is logged: there can be one such listener.
#[tokio::test]
async fn a_server_that_may_lose_messages_is_told_of_once() {
    let settings = ["--save", "", "--maxmemory-policy", "allkeys-lru"];
    let Some(server) = server_with(&settings) else {
        return;
    };
    let problems = Arc::new(Mutex::new(Vec::new()));
    let told = Told {
        url: server.url(),
        problems: problems.clone(),
    };
    tracing::subscriber::set_global_default(told).expect("nobody else listens");
    let store = RedisStore::open(&server.url().parse().unwrap()).unwrap();
    for _ in 0..3 {
        submit(&store).await.unwrap();
    }
    let enough = async {
        while problems.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), enough).await;
    waited.expect("it is told");
    // A doctor's visit is the last in line, so whatever else was under way is told by now.
    store.doctor().await.unwrap();
    let told = problems.lock().unwrap().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("the eviction policy is allkeys-lru"),
        "{told:?}"
    );
    assert!(told[1].contains("persistence is off"), "{told:?}");
}

/// A user that may not ask how the server is set up, and sees no keys but those of the namespace, can work.
#[tokio::test]
async fn who_may_do_little_on_the_server_can_work_with_the_store() {
    let Some(server) = server() else { return };
    let mut admin = super::place::connect(&server);
    let words = [
        "ACL",
        "SETUSER",
        "jobs",
        "on",
        ">hunter2",
        "~{towpath:towpath}:*",
        // Before 7.0 a new user has all channels.
        "resetchannels",
        "&{towpath:towpath}:*",
        "+@all",
        "-@admin",
        "-@dangerous",
    ];
    super::place::command(&mut admin, &words);
    let url = server.url().replace("redis://", "redis://jobs:hunter2@");
    let store = RedisStore::open(&url.parse().unwrap()).unwrap();
    let mut watch = store.watch(Topic::Work);
    let first = submit(&store).await.unwrap();
    watch.changed().await;
    let worker = join(&store, Duration::from_secs(10)).await;
    assert_eq!(claim(&store, worker).await, [first]);
    let channel: ChannelName = "news".try_into().unwrap();
    let mut listener = store.kv().subscribe(channel.clone()).await.unwrap();
    store
        .kv()
        .publish(channel, Payload::json("1"))
        .await
        .unwrap();
    assert_eq!(
        listener.next().await.unwrap(),
        Heard::Value(Payload::json("1"))
    );
}
