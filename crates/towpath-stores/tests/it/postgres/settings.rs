//! What is wrong with the server's settings, or with our rights on it, is told.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, OnceLock};

use towpath_core::Kind;
use towpath_servers::PostgresServer;
use towpath_stores::conformance::Worker;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::place::{beside, draft, every_t, fresh, given, open, role};

/// The warnings of this process, each as one line.
fn warnings() -> Arc<Mutex<Vec<String>>> {
    static HEARD: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    let heard = HEARD.get_or_init(|| {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        // Drivers have threads of their own, so it has to be the one of the process.
        tracing::subscriber::set_global_default(Listener(heard.clone())).expect("the only one");
        heard
    });
    heard.clone()
}

struct Listener(Arc<Mutex<Vec<String>>>);

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let _infallible = write!(self.0, "{value:?} ");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_lose_what_it_accepted_is_told_by_the_doctor_and_warned_of_once() {
    if given().is_none() {
        return;
    }
    let heard = warnings();
    let off = [
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "autovacuum",
    ];
    let settings = off.map(|name| format!("{name}=off"));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = PostgresServer::start_with(&settings).unwrap();
    let url = fresh(&server.url());
    let store = open(&url);
    let findings = store.doctor().await.unwrap();
    let about: Vec<String> = off
        .iter()
        .map(|name| format!("the server's setting {name}"))
        .collect();
    let told: Vec<&String> = findings.iter().map(|finding| &finding.about).collect();
    assert_eq!(told, about.iter().collect::<Vec<_>>());

    // A second connection of the handle, and its heartbeat, do not say it again.
    let worker = Worker::join(store.clone()).await;
    worker.beat(&[]).unwrap();
    let heard = heard.lock().unwrap();
    let url = url.to_string();
    let ours: Vec<&String> = heard.iter().filter(|line| line.contains(&url)).collect();
    assert_eq!(ours.len(), 4, "{ours:?}");
    assert!(ours[0].contains("fsync is off"), "{ours:?}");
}

#[tokio::test]
async fn a_database_that_only_reads_is_told_as_such() {
    let Some(url) = given() else { return };
    let client = beside(&url).await;
    let theirs = role(&client, &url).await;
    open(&url).counts().await.unwrap();
    let user = theirs.server().unwrap().user().unwrap();
    let sql = format!(
        "GRANT towpath TO {user}; ALTER ROLE {user} SET default_transaction_read_only = on"
    );
    client.batch_execute(&sql).await.unwrap();
    let error = open(&theirs).submit(vec![draft()]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("only reads"), "{error}");
    assert!(error.to_string().contains(&theirs.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_was_taken_away_is_told_and_its_return_is_noticed() {
    let Some(url) = given() else { return };
    let client = beside(&url).await;
    let theirs = role(&client, &url).await;
    let user = theirs.server().unwrap().user().unwrap().to_owned();
    let (schema, all) = (url.namespace(), "ALL TABLES IN SCHEMA");
    open(&url).counts().await.unwrap();
    let sql = format!(
        "GRANT USAGE ON SCHEMA \"{schema}\" TO {user}; GRANT ALL ON {all} \"{schema}\" TO {user}; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA \"{schema}\" TO {user}"
    );
    client.batch_execute(&sql).await.unwrap();
    let store = open(&theirs);
    let submitted = draft();
    let id = submitted.id;
    store.submit(vec![submitted]).await.unwrap();
    let worker = Worker::join(store.clone()).await;

    let revoke = format!("REVOKE ALL ON {all} \"{schema}\" FROM {user}");
    client.batch_execute(&revoke).await.unwrap();
    let errors = [
        store.submit(vec![draft()]).await.unwrap_err(),
        worker.try_claim(1, every_t()).await.unwrap_err(),
        worker.beat(&[]).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::Storage, "{error:?}");
        assert!(!error.is_transient());
        assert!(error.to_string().contains("grant it"), "{error}");
    }
    let grant = format!("GRANT ALL ON {all} \"{schema}\" TO {user}");
    client.batch_execute(&grant).await.unwrap();
    worker.beat(&[]).unwrap();
    let claimed = worker.try_claim(1, every_t()).await.unwrap();
    assert_eq!(claimed[0].id, id);
}
