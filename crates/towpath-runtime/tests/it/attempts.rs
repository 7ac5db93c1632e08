//! How attempts end: outputs, failures, retries, panics, timeouts, snoozes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use towpath_core::message::AttemptOutcome;
use towpath_core::{FailReason, Kind, State};
use towpath_runtime::{Broker, Outcome, TaskError, from_blocking_fn, from_fn};

use crate::support::{SOON, app, at_once, ended, task};

#[tokio::test]
async fn a_message_runs_and_gives_its_result() {
    let add = Arc::new(task(
        "add",
        |(a, b): (i64, i64), _| async move { Ok(a + b) },
    ));
    let app = app().task(task(
        "add",
        |(a, b): (i64, i64), _| async move { Ok(a + b) },
    ));
    let worker = app.worker().start().await.unwrap();
    let broker: Broker = app.broker();
    let sum = broker.submit_to(&*add, (1, 2)).await.unwrap();
    assert_eq!(sum.result(SOON).await.unwrap(), 3);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_failing_attempt_is_retried_until_its_retries_are_spent() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let fails = from_fn(at_once("fails").max_retries(2), move |(): (), _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), _>(TaskError::msg("no luck")) }
    });
    let draft = towpath_runtime::draft_of(&fails, &()).unwrap();
    let app = app().task(fails);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    let record = ended(&app, id).await;
    assert_eq!(
        (record.state, record.reason),
        (State::Failed, Some(FailReason::Exhausted))
    );
    assert_eq!(runs.load(Ordering::SeqCst), 3, "one run and two retries");
    assert_eq!(record.counters.retries, 2);
    let outcomes: Vec<_> = record.attempts.iter().map(|a| a.outcome).collect();
    use AttemptOutcome::{Failed, Retried};
    assert_eq!(outcomes, [Retried, Retried, Failed]);
    assert_eq!(record.error().unwrap().text, "no luck");
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_panics_when_it_is_called_off_ends_its_message_and_gives_its_slot_back() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in the drop of what was called off");
        }
    }
    let waits = from_fn(
        at_once("waits").max_retries(0),
        |is_last: bool, _| async move {
            if !is_last {
                let _held = Panics;
                std::future::pending::<()>().await;
            }
            Ok::<(), TaskError>(())
        },
    );
    let mut first = towpath_runtime::draft_of(&waits, &false).unwrap();
    first.options.timeout = Duration::from_millis(20);
    let last = towpath_runtime::draft_of(&waits, &true).unwrap();
    let app = app().task(waits);
    let worker = app.worker().concurrency(1).start().await.unwrap();
    let broker = app.broker();
    let first = broker.submit(first).await.unwrap();
    let last = broker.submit(last).await.unwrap();
    assert_eq!(ended(&app, first).await.error().unwrap().name, "timeout");
    assert_eq!(ended(&app, last).await.state, State::Succeeded);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_final_error_is_not_retried() {
    let fails = task("fails", |(): (), _| async {
        Err::<(), _>(TaskError::fail("never"))
    });
    let draft = towpath_runtime::draft_of(&fails, &()).unwrap();
    let app = app().task(fails);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    let record = ended(&app, id).await;
    assert_eq!(
        (record.reason, record.counters.retries),
        (Some(FailReason::Rejected), 0)
    );
    let error = app
        .broker()
        .results()
        .get::<()>(id, SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Failed);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_panic_is_a_failure_with_message_and_place_and_harms_no_other_message() {
    let panics = from_fn(at_once("panics").max_retries(0), |(): (), _| async {
        if true {
            panic!("out of cheese");
        }
        Ok::<(), TaskError>(())
    });
    let blocks = from_blocking_fn(at_once("blocks").max_retries(0), |(): (), _| {
        if true {
            panic!("out of wine");
        }
        Ok::<(), TaskError>(())
    });
    let drafts = [
        towpath_runtime::draft_of(&panics, &()).unwrap(),
        towpath_runtime::draft_of(&blocks, &()).unwrap(),
    ];
    let app = app().task(panics).task(blocks);
    let worker = app
        .worker()
        .concurrency(1)
        .threads(1)
        .start()
        .await
        .unwrap();
    for (draft, text) in drafts.into_iter().zip(["out of cheese", "out of wine"]) {
        for _ in 0..2 {
            let mut draft = draft.clone();
            draft.id = towpath_core::MessageId::new();
            let id = app.broker().submit(draft).await.unwrap();
            let record = ended(&app, id).await;
            let error = record.error().unwrap();
            assert_eq!((error.name.as_str(), error.text.as_str()), ("panic", text));
            let place = error.traceback.as_deref().unwrap();
            assert!(place.contains("attempts.rs:"), "{place}");
        }
    }
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_has_failed_in_both_mechanisms() {
    let waits = from_fn(at_once("waits").max_retries(0), |(): (), _| async {
        std::future::pending::<()>().await;
        Ok::<(), TaskError>(())
    });
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let blocks = from_blocking_fn(at_once("blocks").max_retries(0), move |block: bool, _| {
        if block {
            let _ = held.lock().unwrap().recv();
        }
        Ok::<bool, TaskError>(block)
    });
    let mut waiting = towpath_runtime::draft_of(&waits, &()).unwrap();
    let mut blocking = towpath_runtime::draft_of(&blocks, &true).unwrap();
    let after = towpath_runtime::draft_of(&blocks, &false).unwrap();
    waiting.options.timeout = Duration::from_millis(20);
    blocking.options.timeout = Duration::from_millis(20);
    let app = app().task(waits).task(blocks);
    let worker = app
        .worker()
        .concurrency(1)
        .threads(1)
        .start()
        .await
        .unwrap();
    for draft in [waiting, blocking] {
        let id = app.broker().submit(draft).await.unwrap();
        assert_eq!(ended(&app, id).await.error().unwrap().name, "timeout");
    }
    // The thread that was left behind had its slot replaced: the next message runs.
    let id = app.broker().submit(after).await.unwrap();
    assert!(!app.broker().results().get::<bool>(id, SOON).await.unwrap());
    assert_eq!(app.metrics().snapshot().timed_out, 2);
    drop(release);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_whose_threads_are_all_left_behind_is_unhealthy_until_they_return() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let blocks = from_blocking_fn(at_once("blocks").max_retries(0), move |block: bool, _| {
        if block {
            let _ = held.lock().unwrap().recv();
        }
        Ok::<bool, TaskError>(block)
    });
    let after = towpath_runtime::draft_of(&blocks, &false).unwrap();
    let stuck = [(); 2].map(|()| {
        let mut draft = towpath_runtime::draft_of(&blocks, &true).unwrap();
        draft.options.timeout = Duration::from_millis(20);
        draft
    });
    let app = app().task(blocks);
    let worker = app.worker().threads(1).start().await.unwrap();
    assert!(worker.is_healthy());
    for draft in stuck {
        let id = app.broker().submit(draft).await.unwrap();
        assert_eq!(ended(&app, id).await.error().unwrap().name, "timeout");
    }
    assert!(!worker.is_healthy());
    let id = app.broker().submit(after).await.unwrap();
    drop(release);
    assert!(!app.broker().results().get::<bool>(id, SOON).await.unwrap());
    assert!(worker.is_healthy());
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_payload_that_is_not_the_tasks_arguments_is_rejected_without_retry() {
    let app = app().task(task(
        "add",
        |(a, b): (i64, i64), _| async move { Ok(a + b) },
    ));
    let worker = app.worker().start().await.unwrap();
    let name = towpath_core::TaskName::new("add").unwrap();
    let draft = towpath_core::Draft::new(name, towpath_core::Payload::json("[\"x\"]"));
    let id = app.broker().submit(draft).await.unwrap();
    let record = ended(&app, id).await;
    assert_eq!(record.reason, Some(FailReason::Rejected));
    assert!(
        record
            .error()
            .unwrap()
            .text
            .contains("cannot be read as json")
    );
    worker.stop().await.unwrap();
}

struct Naps;

impl towpath_runtime::Task for Naps {
    type Args = ();
    type Output = u32;

    fn settings(&self) -> &towpath_runtime::TaskSettings {
        static SETTINGS: LazyLock<towpath_runtime::TaskSettings> =
            LazyLock::new(|| at_once("naps").max_retries(0));
        &SETTINGS
    }
    fn encode(
        &self,
        args: &(),
        encoder: &towpath_runtime::Encoder<'_>,
    ) -> towpath_core::Result<towpath_core::Payload> {
        encoder.encode(args)
    }
    fn decode(
        &self,
        payload: &towpath_core::Payload,
        codecs: &towpath_core::Codecs,
    ) -> towpath_core::Result<()> {
        codecs.decode(payload)
    }
    fn body(&self, (): (), ctx: towpath_runtime::Context) -> towpath_runtime::Body<u32> {
        towpath_runtime::Body::Async(Box::pin(async move {
            let snoozes = ctx.message().counters.snoozes;
            let again = snoozes < 3;
            Ok(if again {
                Outcome::Snooze(Duration::ZERO)
            } else {
                Outcome::Done(snoozes)
            })
        }))
    }
}

#[tokio::test]
async fn a_snooze_spends_no_retry() {
    let app = app().task(Naps);
    let worker = app.worker().start().await.unwrap();
    let broker = app.broker();
    let naps = broker.submit_to(&Naps, ()).await.unwrap();
    assert_eq!(naps.result(SOON).await.unwrap(), 3);
    assert_eq!(ended(&app, naps.id()).await.counters.retries, 0);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn progress_is_seen_and_saved_state_survives_a_retry() {
    let counts = from_fn(
        at_once("counts").max_retries(5),
        |(): (), ctx: towpath_runtime::Context| async move {
            let step = ctx.saved::<u32>()?.unwrap_or(0) + 1;
            ctx.save(step).await?;
            ctx.progress(serde_json::json!({ "step": step })).await?;
            if step < 3 {
                Err(TaskError::msg("not yet"))
            } else {
                Ok(step)
            }
        },
    );
    let draft = towpath_runtime::draft_of(&counts, &()).unwrap();
    let app = app().task(counts);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    assert_eq!(
        app.broker().results().get::<u32>(id, SOON).await.unwrap(),
        3
    );
    assert_eq!(
        ended(&app, id).await.details,
        Some(serde_json::json!({ "step": 3 }))
    );
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_result_over_its_limit_is_not_kept_and_the_message_has_succeeded() {
    let large = task("large", |(): (), _| async { Ok("x".repeat(1_000)) });
    let draft = towpath_runtime::draft_of(&large, &()).unwrap();
    let limits = towpath_runtime::Limits {
        result_bytes: 100,
        ..Default::default()
    };
    let app = app().task(large).limits(limits);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    assert_eq!(ended(&app, id).await.state, State::Succeeded);
    let error = app
        .broker()
        .results()
        .get::<String>(id, SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::ResultTooLarge);
    assert!(error.to_string().contains("1002"), "{error}");
    worker.stop().await.unwrap();
}
