//! A server that ends under load, in either way, and comes back: nothing that was accepted is lost, and whoever
//! waits is woken.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use towpath_core::store::{StoredResult, Topic, Verdict};
use towpath_core::{Kind, MessageId, State, Store, StoreUrl};
use towpath_servers::PostgresServer;
use towpath_stores::conformance::Worker;

use super::place::{draft, every_t, fresh, given, open};

/// Only bounds how long a broken store may make the test wait.
const PATIENCE: Duration = Duration::from_secs(60);
const TASKS: usize = 3;

/// What those at work have done so far.
struct Progress {
    done: watch::Sender<usize>,
    /// Set when they are to come to an end.
    over: watch::Sender<bool>,
}

impl Progress {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            done: watch::Sender::new(0),
            over: watch::Sender::new(false),
        })
    }

    fn one_more(&self) {
        self.done.send_modify(|done| *done += 1);
    }

    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits until that many more were done.
    async fn more(&self, wanted: usize) {
        let mut done = self.done.subscribe();
        let goal = *done.borrow() + wanted;
        let waited = tokio::time::timeout(PATIENCE, done.wait_for(|done| *done >= goal)).await;
        waited.expect("they go on working").unwrap();
    }
}

/// Submits one message after the other; answers those that were accepted.
async fn produce(store: Arc<dyn Store>, progress: Arc<Progress>) -> Vec<MessageId> {
    let mut accepted = Vec::new();
    while !progress.is_over() {
        let draft = draft();
        let id = draft.id;
        match store.submit(vec![draft]).await {
            Ok(answers) => {
                answers.into_iter().next().unwrap().unwrap();
                accepted.push(id);
                progress.one_more();
            }
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    accepted
}

/// Claims and settles one message after the other; answers those whose success was accepted.
async fn consume(worker: Worker, progress: Arc<Progress>) -> Vec<MessageId> {
    let mut accepted = Vec::new();
    while !progress.is_over() {
        let claimed = match worker.try_claim(1, every_t()).await {
            Ok(claimed) => claimed,
            Err(error) => {
                assert!(error.is_transient(), "{error:?}");
                continue;
            }
        };
        for message in claimed {
            if succeed(&worker, &message, &progress).await {
                accepted.push(message.id);
                progress.one_more();
            }
        }
        tokio::task::yield_now().await;
    }
    accepted
}

/// Settles until there is an answer. One that came to nothing may have been done all the same: then it is
/// refused when it is repeated.
async fn succeed(worker: &Worker, message: &towpath_core::Message, progress: &Progress) -> bool {
    let item = towpath_core::store::Settle {
        token: message.token(),
        started_at: None,
        verdict: Verdict::Done {
            result: StoredResult::None,
            callbacks: Vec::new(),
        },
        unlock: Vec::new(),
    };
    let mut repeated = false;
    while !progress.is_over() {
        let request = towpath_core::store::SettleRequest {
            incarnation: worker.incarnation,
            items: vec![item.clone()],
            claim: None,
        };
        match worker.store.settle(request).await {
            Ok(mut settled) => match settled.items.remove(0) {
                Ok(()) => return true,
                Err(error) => {
                    assert!(repeated && error.kind() == Kind::LeaseLost, "{error:?}");
                    return true;
                }
            },
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        repeated = true;
    }
    false
}

/// A worker that is not lost while the server is away.
async fn worker(store: Arc<dyn Store>) -> Worker {
    let worker = Worker::join(store.clone()).await;
    let long = towpath_core::store::Extend {
        incarnation: worker.incarnation,
        lease: Duration::from_secs(60 * 60),
        started: &[],
    };
    store.lease_keeper().unwrap().extend(long).unwrap();
    worker
}

async fn end_and_start(mut server: PostgresServer, at_once: bool) -> PostgresServer {
    let restarted = tokio::task::spawn_blocking(move || {
        if at_once {
            server.kill().unwrap();
        } else {
            server.stop().unwrap();
        }
        server.start_again().unwrap();
        server
    });
    restarted.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_accepted_is_lost_when_the_server_ends_and_comes_back() {
    if given().is_none() {
        return;
    }
    let mut server = PostgresServer::start().unwrap();
    let url: StoreUrl = fresh(&server.url());
    let progress = Progress::new();
    let (mut producers, mut consumers) = (JoinSet::new(), JoinSet::new());
    for _ in 0..TASKS {
        let store = open(&url);
        producers.spawn(produce(store.clone(), progress.clone()));
        consumers.spawn(consume(worker(store).await, progress.clone()));
    }
    for at_once in [false, true, false] {
        progress.more(50).await;
        server = end_and_start(server, at_once).await;
    }
    progress.more(50).await;
    progress.over.send_replace(true);
    let submitted = producers.join_all().await.concat();
    let settled = consumers.join_all().await.concat();
    assert!(!submitted.is_empty() && !settled.is_empty());

    let store = open(&url);
    for ids in submitted.chunks(500) {
        let records = store.get(ids.to_vec()).await.unwrap();
        for (id, record) in ids.iter().zip(records) {
            assert!(record.is_some(), "message {id} was accepted and is gone");
        }
    }
    for ids in settled.chunks(500) {
        for record in store.get(ids.to_vec()).await.unwrap() {
            assert_eq!(record.unwrap().state, State::Succeeded);
        }
    }
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_is_woken_when_the_server_is_there_again() {
    if given().is_none() {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let url = fresh(&server.url());
    let store = open(&url);
    let other = open(&url);
    let mut watch = store.watch(Topic::Work);
    // Heard over the server, so the listener is there.
    let heard = async {
        loop {
            other.submit(vec![draft()]).await.unwrap();
            let rung = tokio::time::timeout(Duration::from_millis(500), watch.changed()).await;
            if rung.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap();

    let server = end_and_start(server, false).await;
    let rung = tokio::time::timeout(PATIENCE, watch.changed()).await;
    rung.expect("a listener that has missed something rings");
    drop(server);
}

/// A server that takes connections and says nothing, as one that hangs; a bound in time, not a sleep, ends
/// every wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_keeps_nobody_waiting_for_ever() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let store = open(&fresh(&format!(
        "postgres://towpath@127.0.0.1:{port}/towpath"
    )));
    let mut keeper = store.lease_keeper().unwrap();
    let beat = tokio::task::spawn_blocking(move || {
        let beat = towpath_core::store::Extend {
            incarnation: towpath_core::IncarnationId::new(),
            lease: Duration::from_secs(10),
            started: &[],
        };
        keeper.extend(beat)
    });
    let both = async { (beat.await.unwrap(), store.submit(vec![draft()]).await) };
    let (beat, submitted) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    for error in [beat.unwrap_err(), submitted.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    }
}

/// A server that hangs with all its sessions, as a machine under a debugger or without memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_is_told_by_the_heartbeat_and_all_goes_on_when_it_thaws() {
    if given().is_none() {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let store = open(&fresh(&server.url()));
    let worker = worker(store.clone()).await;
    store.submit(vec![draft()]).await.unwrap();
    let claimed = worker.try_claim(1, every_t()).await.unwrap().remove(0);
    let keeper = Arc::new(std::sync::Mutex::new(store.lease_keeper().unwrap()));
    let incarnation = worker.incarnation;
    let beat = || {
        let keeper = keeper.clone();
        tokio::task::spawn_blocking(move || {
            keeper.lock().unwrap().extend(towpath_core::store::Extend {
                incarnation,
                lease: Duration::from_secs(60 * 60),
                started: &[],
            })
        })
    };
    beat().await.unwrap().unwrap();

    server.freeze().unwrap();
    let meanwhile = draft();
    let id = meanwhile.id;
    let submitting = tokio::spawn({
        let store = store.clone();
        async move { store.submit(vec![meanwhile]).await }
    });
    for _ in 0..2 {
        let missed = tokio::time::timeout(PATIENCE, beat()).await;
        let error = missed.expect("a bound").unwrap().unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
        assert!(error.is_transient());
    }
    server.thaw().unwrap();

    let submitted = tokio::time::timeout(PATIENCE, submitting)
        .await
        .expect("a bound")
        .unwrap();
    match submitted {
        Ok(mut answers) => answers.remove(0).unwrap(),
        Err(error) => assert!(error.is_transient(), "{error:?}"),
    }
    // A session that was asked while it was frozen may hold the lease for a moment yet.
    let renewed = async { while beat().await.unwrap().is_err() {} };
    tokio::time::timeout(PATIENCE, renewed).await.unwrap();
    let done = Verdict::Done {
        result: StoredResult::None,
        callbacks: Vec::new(),
    };
    worker.settle(claimed.token(), done).await.unwrap();
    let record = store.get(vec![claimed.id]).await.unwrap().remove(0);
    assert_eq!(record.unwrap().state, State::Succeeded);
    assert!(store.get(vec![id]).await.unwrap()[0].is_some());
    assert_eq!(store.doctor().await.unwrap(), []);
}

/// With `TOWPATH_SLOW_TESTS=1`, because the bound is most of a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_on_a_server_that_stays_frozen_ends_within_its_bound() {
    let slow = std::env::var_os("TOWPATH_SLOW_TESTS").is_some_and(|value| value == "1");
    if given().is_none() || !slow {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let store = open(&fresh(&server.url()));
    store.submit(vec![draft()]).await.unwrap();
    server.freeze().unwrap();
    let submitted = tokio::time::timeout(PATIENCE, store.submit(vec![draft()])).await;
    let error = submitted.expect("a bound").unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    server.thaw().unwrap();
    store.submit(vec![draft()]).await.unwrap();
}
