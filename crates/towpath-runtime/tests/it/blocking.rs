//! The blocking API: from plain threads, and not from others.

use std::thread;
use std::time::Duration;

use towpath_core::store::Update;
use towpath_core::{Kind, MessageId, QueueName, Status};
use towpath_runtime::blocking::Broker;

use crate::stage::{Stage, draft};

/// No test waits that long; it only bounds those that fail.
const LONG: Duration = Duration::from_secs(60);

/// A stage, and a blocking broker on its store that can also play the stage's worker.
fn stage() -> (Stage, Broker) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let stage = runtime.block_on(Stage::memory());
    let broker = Broker::from(stage.broker.clone());
    (stage, broker)
}

fn play(broker: &Broker, scene: impl Future<Output = ()>) {
    let scene = async {
        scene.await;
        Ok(())
    };
    broker.wait(scene).unwrap();
}

#[test]
fn the_verbs_of_a_broker_work_from_a_plain_thread() {
    let (_stage, broker) = stage();
    let id = broker.submit(draft()).unwrap();
    let update = Update {
        priority: Some(5),
        ..Update::default()
    };
    broker.update(id, update).unwrap();
    assert_eq!(broker.get(id).unwrap().unwrap().priority, 5);
    broker.revoke(id, true).unwrap();
    broker.requeue(id).unwrap();
    broker.revoke(id, true).unwrap();
    let copy = broker.replay(id).unwrap();
    broker.remove(id).unwrap();
    assert!(!broker.exists(id).unwrap() && broker.exists(copy).unwrap());
    assert_eq!(broker.remove(id).unwrap_err().kind(), Kind::NotFound);

    let answers = broker.submit_many(vec![draft(), draft()]).unwrap();
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(broker.counts().unwrap().ready, 3);
    assert!(broker.pause(QueueName::default()).unwrap());
    assert!(broker.queues().unwrap()[0].paused);
    assert!(broker.resume(QueueName::default()).unwrap());
}

#[test]
fn a_plain_thread_waits_for_what_another_does() {
    let (stage, broker) = stage();
    let ids: Vec<_> = (0..3).map(|_| broker.submit(draft()).unwrap()).collect();
    let (results, statuses) = (broker.results(), broker.statuses());
    thread::scope(|scope| {
        let get = scope.spawn(|| results.get::<i64>(ids[0], LONG));
        let wait_for = scope.spawn(|| statuses.wait_for(ids[1], &[Status::Succeeded], LONG));
        let listen = scope.spawn(|| statuses.listen(ids[1], true).collect::<Vec<_>>());
        let pool = broker.result_pool(ids.clone()).unwrap();
        let in_order = pool.in_order::<i64>();
        let in_order = scope.spawn(move || in_order.collect::<Vec<_>>());
        let completed = scope.spawn(move || pool.timeout(LONG).as_completed::<i64>().count());
        play(&broker, async {
            for (id, json) in ids.iter().zip(["0", "1", "2"]).rev() {
                stage.succeed(*id, json).await;
            }
        });
        assert_eq!(get.join().unwrap().unwrap(), 0);
        assert_eq!(wait_for.join().unwrap().unwrap(), Status::Succeeded);
        assert_eq!(
            listen.join().unwrap().pop().unwrap().unwrap().status,
            Status::Succeeded
        );
        let in_order: Vec<_> = in_order.join().unwrap();
        assert!(in_order.iter().map(|(id, _)| id).eq(&ids));
        assert_eq!(completed.join().unwrap(), 3);
    });
    assert_eq!(results.take::<i64>(ids[0], LONG).unwrap(), 0);
    assert!(!results.exists(ids[0]).unwrap());
    statuses.forget(ids[0]).unwrap();
}

#[test]
fn a_wait_ends_with_its_timeout() {
    let (_stage, broker) = stage();
    let id = broker.submit(draft()).unwrap();
    let wait = Duration::from_millis(2);
    assert_eq!(
        broker.results().get::<()>(id, wait).unwrap_err().kind(),
        Kind::TimedOut
    );
    let late = broker
        .result_pool(vec![id])
        .unwrap()
        .timeout(wait)
        .in_order::<()>();
    let kinds: Vec<_> = late
        .map(|(id, result)| (id, result.unwrap_err().kind()))
        .collect();
    assert_eq!(kinds, [(id, Kind::TimedOut)]);
}

#[tokio::test]
async fn on_a_thread_of_an_async_runtime_every_call_is_refused() {
    let stage = Stage::memory().await;
    let broker = Broker::from(stage.broker.clone());
    let id = MessageId::new();
    let error = broker.submit(draft()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(
        error.to_string().contains("thread of an async runtime"),
        "{error}"
    );
    let kinds = [
        broker.get(id).unwrap_err().kind(),
        broker.results().get::<()>(id, LONG).unwrap_err().kind(),
        broker.statuses().get(id).unwrap_err().kind(),
        broker
            .statuses()
            .listen(id, true)
            .next()
            .unwrap()
            .unwrap_err()
            .kind(),
    ];
    assert_eq!(kinds, [Kind::Unsupported; 4]);

    let ids = vec![id, MessageId::new()];
    let pool = broker.result_pool(ids.clone()).unwrap().in_order::<()>();
    let items: Vec<_> = pool
        .map(|(id, result)| (id, result.unwrap_err().kind()))
        .collect();
    assert_eq!(
        items,
        [(ids[0], Kind::Unsupported), (ids[1], Kind::Unsupported)]
    );
}

#[test]
fn a_broker_that_was_used_may_be_dropped_in_an_async_runtime() {
    let (_stage, broker) = stage();
    broker.submit(draft()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async move { drop(broker) });
}
