//! A crowd: many verbs that are in each other's way, on a server that counts what it had to break up.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use towpath_core::store::{Selection, StoredResult, Update, Verdict};
use towpath_core::{
    AttemptError, Draft, FailReason, Kind, MessageId, Payload, QueueName, Store, TaskName, limits,
};
use towpath_servers::PostgresServer;
use towpath_stores::conformance::Worker;

use super::place::{beside, fresh, given, open};

const ROUNDS: usize = 25;
const WORKERS: usize = 6;

fn tasks() -> [TaskName; 2] {
    ["t", "u"].map(|name| TaskName::new(name).unwrap())
}

/// Two lines as one, so that claims have heads to merge, and to find that others were faster.
fn both() -> Selection {
    Selection::Queues {
        queues: vec![QueueName::default()],
        tasks: tasks().to_vec(),
    }
}

fn error() -> AttemptError {
    AttemptError::new("Odd", "it is odd")
}

/// Another end for each message, callbacks that several share among them.
fn verdict(turn: usize, shared: &[Draft]) -> Verdict {
    match turn % 7 {
        0..=2 => Verdict::Done {
            result: StoredResult::Value(Payload::json("1")),
            callbacks: Vec::new(),
        },
        3 => Verdict::Done {
            result: StoredResult::None,
            callbacks: shared.iter().cycle().skip(turn).take(3).cloned().collect(),
        },
        4 => Verdict::Retry {
            after: Duration::ZERO,
            error: error(),
        },
        5 => Verdict::Fail {
            reason: FailReason::Rejected,
            error: error(),
        },
        _ => Verdict::Release,
    }
}

/// Settles what it holds and claims more in the same step, over and over.
async fn work(store: Arc<dyn Store>, shared: Arc<Vec<Draft>>) {
    let worker = Worker::join(store).await;
    let mut held = worker.claim(10, both()).await;
    for round in 0..ROUNDS {
        let items = held.iter().enumerate();
        let items = items.map(|(at, message)| (message.token(), verdict(round + at, &shared)));
        let wish = worker.wish(10, both());
        let settled = worker
            .settle_and_claim(items.collect::<Vec<_>>(), Some(wish))
            .await;
        for error in settled.items.into_iter().filter_map(Result::err) {
            // Somebody has revoked it.
            assert_eq!(error.kind(), Kind::LeaseLost, "{error:?}");
        }
        held = settled.claimed;
    }
    worker.store.leave(worker.incarnation).await.unwrap();
}

/// Whether a refusal is one that a verb may meet whose message others move.
fn is_fair<T>(answers: Vec<towpath_core::Result<T>>) -> bool {
    let fair = [Kind::WrongState, Kind::NotFound, Kind::AlreadyExists];
    let errors = answers.into_iter().filter_map(Result::err);
    errors.into_iter().all(|error| fair.contains(&error.kind()))
}

/// Moves the same messages by hand, forwards and backwards.
async fn meddle(store: Arc<dyn Store>, ids: Vec<MessageId>) {
    let sooner = Update {
        priority: Some(1),
        ..Update::default()
    };
    for round in 0..ROUNDS {
        let some: Vec<_> = ids.iter().skip(round % 5).step_by(5).copied().collect();
        let back: Vec<_> = some.iter().rev().copied().collect();
        let updates = back.iter().map(|id| (*id, sooner.clone())).collect();
        assert!(is_fair(store.update(updates).await.unwrap()));
        assert!(is_fair(
            store.revoke(some.clone(), round % 2 == 0).await.unwrap()
        ));
        assert!(is_fair(store.requeue(back).await.unwrap()));
        store.promote(limits::UPKEEP_ROWS).await.unwrap();
        store.rescue(limits::UPKEEP_ROWS).await.unwrap();
        store.expire(limits::UPKEEP_ROWS).await.unwrap();
        store.prune(limits::UPKEEP_ROWS).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_verbs_never_waits_in_a_circle() {
    if given().is_none() {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let url = fresh(&server.url());
    let store = open(&url);
    let drafts: Vec<Draft> = tasks()
        .iter()
        .cycle()
        .take(300)
        .zip(0..)
        .map(|(task, number)| Draft {
            priority: number % 3,
            ..Draft::new(task.clone(), Payload::json("[1]"))
        })
        .collect();
    let ids: Vec<MessageId> = drafts.iter().map(|draft| draft.id).collect();
    store.submit(drafts.clone()).await.unwrap();
    let task = TaskName::new("next").unwrap();
    let shared: Vec<Draft> = (0..50)
        .map(|_| Draft::new(task.clone(), Payload::json("2")))
        .collect();
    let shared = Arc::new(shared);

    let mut crowd = JoinSet::new();
    for _ in 0..WORKERS {
        crowd.spawn(work(open(&url), shared.clone()));
    }
    for _ in 0..2 {
        crowd.spawn(meddle(open(&url), ids.clone()));
    }
    for back in [false, true] {
        let (store, mut drafts) = (open(&url), drafts.clone());
        if back {
            drafts.reverse();
        }
        crowd.spawn(async move {
            for _ in 0..ROUNDS {
                assert!(is_fair(store.submit(drafts.clone()).await.unwrap()));
            }
        });
    }
    crowd.join_all().await;

    assert_eq!(store.doctor().await.unwrap(), []);
    let counts = store.counts().await.unwrap();
    assert_eq!(counts.running, 0);
    assert!(counts.succeeded > 0, "{counts:?}");
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let row = beside(&url).await.query_one(sql, &[]).await.unwrap();
    assert_eq!(
        row.get::<_, i64>(0),
        0,
        "verbs that the server had to break up"
    );
}
