//! Workers as a whole: order, backlog, stopping, revoking, lost leases, unknown tasks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use towpath_core::{Draft, FailReason, Kind, MessageId, Payload, State, Status, TaskName};
use towpath_runtime::{App, CancelReason, Context, Data, Listen, TaskError, draft_of, from_fn};
use towpath_stores::faulty::{Call, Fault, FaultyStore};

use crate::support::{SOON, app, at_once, ended, memory, record, task, until};

#[tokio::test]
async fn a_backlog_ten_times_the_pool_drains_to_the_last() {
    let double = task("double", |n: u32, _| async move { Ok(n * 2) });
    let drafts: Vec<_> = (0..640).map(|n| draft_of(&double, &n).unwrap()).collect();
    let ids: Vec<_> = drafts.iter().map(|draft| draft.id).collect();
    let app = app().task(double);
    app.broker().submit_many(drafts).await.unwrap();
    let worker = app.worker().concurrency(8).start().await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    for (n, id) in ids.into_iter().enumerate() {
        let result: usize = app
            .broker()
            .results()
            .get(id, Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(result, n * 2);
    }
    assert_eq!(app.metrics().snapshot().succeeded, 640);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn without_prefetch_messages_of_mixed_priorities_run_in_exact_order() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    let note = task("note", move |(priority, n): (u32, u32), _| {
        seen.lock().unwrap().push((priority, n));
        async { Ok(()) }
    });
    let drafts = (0..1_000u32).map(|n| {
        let priority = n * 7 % 10;
        let mut draft = draft_of(&note, &(priority, n)).unwrap();
        draft.priority = priority;
        draft
    });
    let drafts = drafts.collect();
    let app = app().task(note);
    app.broker().submit_many(drafts).await.unwrap();
    let worker = app
        .worker()
        .concurrency(1)
        .prefetch(0)
        .start()
        .await
        .unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    worker.stop().await.unwrap();
    let order = order.lock().unwrap();
    assert_eq!(order.len(), 1_000);
    assert!(order.is_sorted(), "{:?}", &order[..20]);
}

/// A task that tells when it runs and waits until it may end.
struct Gate {
    running: Semaphore,
    open: Notify,
}

fn gated() -> (
    Arc<Gate>,
    impl towpath_runtime::Task<Args = (), Output = ()>,
) {
    let gate = Arc::new(Gate {
        running: Semaphore::new(0),
        open: Notify::new(),
    });
    let inside = gate.clone();
    let task = task("gated", move |(): (), _| {
        let gate = inside.clone();
        async move {
            gate.running.add_permits(1);
            gate.open.notified().await;
            Ok(())
        }
    });
    (gate, task)
}

async fn runs(gate: &Gate) {
    tokio::time::timeout(SOON, gate.running.acquire())
        .await
        .unwrap()
        .unwrap()
        .forget();
}

#[tokio::test]
async fn stopping_gives_back_what_waits_and_lets_running_ones_finish() {
    let (gate, gated) = gated();
    let drafts: Vec<_> = (0..5).map(|_| draft_of(&gated, &()).unwrap()).collect();
    let ids: Vec<_> = drafts.iter().map(|d| d.id).collect();
    let app = app().task(gated);
    app.broker().submit_many(drafts).await.unwrap();
    let worker = app.worker().concurrency(1).start().await.unwrap();
    runs(&gate).await;
    let stop = tokio::spawn(worker.stop());
    gate.open.notify_one();
    let report = stop.await.unwrap().unwrap();
    assert_eq!(report.called_off, 0);
    assert_eq!(record(&app, ids[0]).await.state, State::Succeeded);
    for id in &ids[1..] {
        let record = record(&app, *id).await;
        assert_eq!(
            (record.state, record.counters.retries),
            (State::Ready, 0),
            "no attempt is spent"
        );
    }
}

#[tokio::test]
async fn after_the_grace_time_running_attempts_are_given_back() {
    let (gate, gated) = gated();
    let draft = draft_of(&gated, &()).unwrap();
    let app = app().task(gated);
    let id = app.broker().submit(draft).await.unwrap();
    let worker = app.worker().grace(Duration::ZERO).start().await.unwrap();
    runs(&gate).await;
    assert_eq!(worker.stop().await.unwrap().called_off, 1);
    let record = record(&app, id).await;
    assert_eq!((record.state, record.counters.retries), (State::Ready, 0));
    assert_eq!(record.status(), Status::Retrying);
}

#[tokio::test]
async fn a_revoked_running_message_is_called_off() {
    let (gate, gated) = gated();
    let draft = draft_of(&gated, &()).unwrap();
    let app = app().task(gated);
    let id = app.broker().submit(draft).await.unwrap();
    let worker = app.worker().start().await.unwrap();
    runs(&gate).await;
    app.broker().revoke(id, false).await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    assert_eq!(record(&app, id).await.state, State::Revoked);
    assert_eq!(app.metrics().snapshot().revoked, 1);
    let error = app
        .broker()
        .results()
        .get::<()>(id, SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Revoked);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_drops_what_runs_and_goes_on_as_a_fresh_incarnation() {
    let (canceled, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let started = Arc::new(Semaphore::new(0));
    let starts = started.clone();
    let first = std::sync::atomic::AtomicBool::new(true);
    let slow = task("slow", move |(): (), ctx: Context| {
        starts.add_permits(1);
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if first {
            let (canceled, cancellation) = (canceled.clone(), ctx.cancellation().clone());
            tokio::spawn(async move { canceled.send(cancellation.cancelled().await) });
        }
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(ctx.token().claims)
        }
    });
    let draft = draft_of(&slow, &()).unwrap();
    let app = app().task(slow);
    let id = app.broker().submit(draft).await.unwrap();
    let lease = (Duration::from_millis(400), Duration::from_millis(10));
    let worker = app.worker().lease(lease.0, lease.1).start().await.unwrap();
    let _ = started.acquire().await.unwrap();
    let incarnation = worker.incarnation();
    // Somebody took the lease away: to the store this worker has left.
    app.store().leave(incarnation).await.unwrap();
    assert_eq!(reasons.recv().await.unwrap(), CancelReason::LeaseLost);
    assert_eq!(
        app.broker().results().get::<u32>(id, SOON).await.unwrap(),
        2,
        "the second claim ran"
    );
    assert_ne!(worker.incarnation(), incarnation);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_task_that_nobody_knows_waits_and_kills_no_worker() {
    let app = app().task(task("known", |(): (), _| async { Ok(()) }));
    let unknown = Draft::new(TaskName::new("unknown").unwrap(), Payload::json("[]"));
    let known = Draft::new(TaskName::new("known").unwrap(), Payload::json("null"));
    let (unknown, known) = (
        app.broker().submit(unknown).await.unwrap(),
        app.broker().submit(known).await.unwrap(),
    );
    let worker = app.worker().start().await.unwrap();
    assert_eq!(ended(&app, known).await.state, State::Succeeded);
    let waiting = record(&app, unknown).await;
    assert_eq!((waiting.state, waiting.counters.claims), (State::Ready, 0));
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn queue_q_never_takes_from_q2() {
    let note = task("note", |(): (), _| async { Ok(()) });
    let mut other = draft_of(&note, &()).unwrap();
    other.queue = "q2".try_into().unwrap();
    let mut own = draft_of(&note, &()).unwrap();
    own.queue = "q".try_into().unwrap();
    let app = app().task(note);
    let other = app.broker().submit(other).await.unwrap();
    let own = app.broker().submit(own).await.unwrap();
    let worker = app.worker().queues(["q"]).start().await.unwrap();
    assert_eq!(ended(&app, own).await.state, State::Succeeded);
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    assert_eq!(record(&app, other).await.state, State::Ready);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_delayed_message_runs_when_its_time_has_come_and_a_new_earlier_one_before_it() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = order.clone();
    let note = task("note", move |n: u32, _| {
        seen.lock().unwrap().push(n);
        async { Ok(()) }
    });
    let delayed = |n: u32, millis: u64| {
        let mut draft = draft_of(&note, &n).unwrap();
        draft.start = towpath_core::message::Start::After(Duration::from_millis(millis));
        draft
    };
    let (late, early) = (delayed(2, 120), delayed(1, 30));
    let app = app().task(note);
    let worker = app.worker().start().await.unwrap();
    let late = app.broker().submit(late).await.unwrap();
    app.broker().submit(early).await.unwrap();
    let record = ended(&app, late).await;
    assert!(record.finished_at.unwrap() >= record.submitted_at.after(Duration::from_millis(120)));
    assert_eq!(*order.lock().unwrap(), [1, 2]);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn missing_data_no_tasks_and_doubles_are_errors_at_start() {
    struct Pool;
    struct Needy;
    impl towpath_runtime::Task for Needy {
        type Args = ();
        type Output = ();
        fn settings(&self) -> &towpath_runtime::TaskSettings {
            static SETTINGS: LazyLock<towpath_runtime::TaskSettings> =
                LazyLock::new(|| at_once("needy"));
            &SETTINGS
        }
        fn encode(
            &self,
            (): &(),
            encoder: &towpath_runtime::Encoder<'_>,
        ) -> towpath_core::Result<Payload> {
            encoder.encode(&())
        }
        fn decode(
            &self,
            payload: &Payload,
            codecs: &towpath_core::Codecs,
        ) -> towpath_core::Result<()> {
            codecs.decode(payload)
        }
        fn requires(&self, needs: &mut towpath_runtime::Needs) {
            needs.data::<Pool>();
        }
        fn body(&self, (): (), ctx: Context) -> towpath_runtime::Body<()> {
            towpath_runtime::Body::Async(Box::pin(async move {
                let _pool: Data<Pool> = ctx.data()?;
                Ok(towpath_runtime::Outcome::Done(()))
            }))
        }
    }
    let error = app().task(Needy).worker().start().await.unwrap_err();
    assert_eq!(error.kind(), Kind::MissingData);
    let text = error.to_string();
    assert!(
        text.contains("\"needy\"") && text.contains("Pool"),
        "{text}"
    );

    let worker = app().task(Needy).data(Pool).worker().start().await.unwrap();
    worker.stop().await.unwrap();

    let error = app().worker().start().await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoTasks);

    let error = app().task(Needy).task(Needy).check().unwrap_err();
    assert_eq!(error.kind(), Kind::TaskNameCollision);

    let twice = vec!["q".try_into().unwrap(), "q".try_into().unwrap()];
    let builder = app()
        .task(Needy)
        .data(Pool)
        .worker()
        .listen(Listen::Queues(twice));
    assert_eq!(builder.start().await.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_callback_is_submitted_with_the_result_of_what_caused_it() {
    let app = app()
        .task(task(
            "add",
            |(a, b): (i64, i64), _| async move { Ok(a + b) },
        ))
        .task(task("double", |(): (), ctx: Context| async move {
            let sum: i64 = ctx
                .previous_result()?
                .ok_or_else(|| TaskError::fail("no previous result"))?;
            Ok(sum * 2)
        }));
    let draft = |task: &str, payload: &'static str| {
        Draft::new(TaskName::new(task).unwrap(), Payload::json(payload))
    };
    let chain = [
        draft("add", "[1,2]"),
        draft("double", "null"),
        draft("double", "null"),
    ];
    let ids: Vec<MessageId> = chain.iter().map(|d| d.id).collect();
    let worker = app.worker().start().await.unwrap();
    app.broker()
        .submit(Draft::chain(chain).unwrap().unwrap())
        .await
        .unwrap();
    let mut pool = app
        .broker()
        .result_pool(vec![ids[0]])
        .unwrap()
        .in_order::<i64>();
    assert_eq!(pool.next().await.unwrap().1.unwrap(), 3);
    let record = until_known(&app, ids[2]).await;
    assert_eq!(record.options.progenitor, Some(ids[0]));
    assert_eq!(record.options.previous, Some(ids[1]));
    assert_eq!(
        app.broker()
            .results()
            .get::<i64>(ids[2], SOON)
            .await
            .unwrap(),
        12
    );
    worker.stop().await.unwrap();
}

async fn until_known(app: &towpath_runtime::App, id: MessageId) -> towpath_core::message::Record {
    let mut watch = app.store().watch(towpath_core::store::Topic::Change);
    let known = async {
        while app.broker().get(id).await.unwrap().is_none() {
            watch.changed().await;
        }
        until(app, id, State::Succeeded).await
    };
    tokio::time::timeout(SOON, known).await.unwrap()
}

#[tokio::test]
async fn an_unknown_backoff_loses_no_message() {
    let runs = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = runs.clone();
    let flaky = from_fn(at_once("flaky"), move |(): (), _| {
        let run = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            if run == 0 {
                Err(TaskError::retry_after(Duration::ZERO, "once"))
            } else {
                Ok(run)
            }
        }
    });
    let mut draft = draft_of(&flaky, &()).unwrap();
    draft.options.backoff = Some(Arc::new(towpath_core::BackoffSettings {
        algorithm: "FromTheFuture".to_owned(),
        parameters: serde_json::Map::new(),
        jitter: 0.0,
    }));
    let store = memory();
    let reported = Arc::new(Mutex::new(Vec::new()));
    let reports = reported.clone();
    let app = towpath_runtime::App::new(store.clone())
        .task(flaky)
        .on_error(move |error| reports.lock().unwrap().push(error.to_string()));
    // A broker refuses it; another program may have submitted it all the same.
    assert_eq!(
        app.broker().submit(draft.clone()).await.unwrap_err().kind(),
        Kind::Invalid
    );
    let id = draft.id;
    store
        .submit(vec![draft])
        .await
        .unwrap()
        .pop()
        .unwrap()
        .unwrap();
    let worker = app.worker().start().await.unwrap();
    assert_eq!(
        app.broker().results().get::<u32>(id, SOON).await.unwrap(),
        1
    );
    assert!(
        reported
            .lock()
            .unwrap()
            .iter()
            .any(|text| text.contains("FromTheFuture"))
    );
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn retries_of_dead_letters_begin_anew_after_a_requeue() {
    let heal = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let healed = heal.clone();
    let sick = from_fn(at_once("sick").max_retries(1), move |(): (), _| {
        let healed = healed.load(std::sync::atomic::Ordering::SeqCst);
        async move {
            if healed {
                Ok(())
            } else {
                Err(TaskError::msg("sick"))
            }
        }
    });
    let draft = draft_of(&sick, &()).unwrap();
    let app = app().task(sick);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    assert_eq!(ended(&app, id).await.reason, Some(FailReason::Exhausted));
    heal.store(true, std::sync::atomic::Ordering::SeqCst);
    app.broker().requeue(id).await.unwrap();
    let record = ended(&app, id).await;
    assert_eq!(record.state, State::Succeeded);
    assert_eq!(record.counters.claims, 3, "claims go on counting");
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_audits_the_store_at_an_interval() {
    let (spy, _stage) = crate::spy::Spy::on_stage().await;
    let app =
        towpath_runtime::App::new(spy.clone()).task(task("note", |(): (), _| async { Ok(()) }));
    let worker = app
        .worker()
        .audit_every(Some(Duration::from_millis(5)))
        .start()
        .await
        .unwrap();
    for _ in 0..2 {
        tokio::time::timeout(SOON, spy.audited.notified())
            .await
            .unwrap();
    }
    worker.stop().await.unwrap();
}

/// While the store is at one step what ends meanwhile makes a second, and never a third.
#[tokio::test]
async fn two_steps_are_under_way_at_most() {
    let (spy, stage) = crate::spy::Spy::on_stage().await;
    let (running, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let held = (running.clone(), open.clone());
    let wait = task("wait", move |(): (), _| {
        let (running, open) = held.clone();
        async move {
            running.add_permits(1);
            open.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let drafts = (0..12).map(|_| draft_of(&wait, &()).unwrap()).collect();
    let app = App::new(spy.clone()).task(wait);
    app.broker().submit_many(drafts).await.unwrap();
    let worker = app.worker().concurrency(12).prefetch(0).start().await;
    let worker = worker.unwrap();
    let of = |count| tokio::time::timeout(SOON, running.acquire_many(count));
    of(12).await.unwrap().unwrap().forget();
    let gate = spy.gate.acquire_many(1_000).await.unwrap();
    let mut seen = 0;
    // One end makes a step; of twelve slots three ends make a second.
    for (ends, steps) in [(1, 1), (3, 2)] {
        open.add_permits(ends);
        while seen < steps {
            let begun = tokio::time::timeout(SOON, spy.settle_begun.notified());
            begun.await.unwrap();
            seen = spy.settling.load(Ordering::SeqCst);
        }
        assert_eq!(seen, steps);
    }
    open.add_permits(8);
    // The last attempt has ended once nothing runs.
    while app.metrics().snapshot().running > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(spy.settling.load(Ordering::SeqCst), 2);
    drop(gate);
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    assert_eq!(stage.store().counts().await.unwrap().succeeded, 12);
    worker.stop().await.unwrap();
}

/// An answer of the store that was lost, of the call that is named.
async fn runs_all_the_same(call: Call) {
    let store = FaultyStore::new(memory())
        .only([call])
        .at(2, Fault::LoseAnswer);
    let store = Arc::new(store);
    let count = task("count", |n: u32, _| async move { Ok(n) });
    let app = App::new(store.clone()).task(count);
    let broker = app.broker();
    let worker = app
        .worker()
        .concurrency(1)
        .prefetch(0)
        .start()
        .await
        .unwrap();
    let count = task("count", |n: u32, _| async move { Ok(n) });
    let ids = async |n: u32| broker.submit_to(&count, n).await.unwrap().id();
    for n in 0..4 {
        let id = ids(n).await;
        // Each is run, whichever claim it was whose answer was lost.
        let record = ended(&app, id).await;
        assert_eq!(record.state, State::Succeeded, "{call:?} {n}");
    }
    assert!(store.has_struck());
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_claim_handed_out_whose_answer_was_lost_runs_all_the_same() {
    runs_all_the_same(Call::Claim).await;
    runs_all_the_same(Call::Settle).await;
}

#[tokio::test]
async fn what_a_consumer_was_handed_without_hearing_of_it_is_handed_out_again() {
    let store = FaultyStore::new(memory())
        .only([Call::Claim])
        .at(1, Fault::LoseAnswer);
    let app = App::new(Arc::new(store)).task(task("count", |n: u32, _| async move { Ok(n) }));
    let count = task("count", |n: u32, _| async move { Ok(n) });
    app.broker().submit_to(&count, 1).await.unwrap();
    let mut stream = app.consumer().stream().await.unwrap();
    let delivery = tokio::time::timeout(SOON, stream.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(delivery.token().claims, 2);
    delivery.ack(1).await.unwrap();
    stream.stop().await.unwrap();
}
