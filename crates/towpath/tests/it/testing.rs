//! `towpath::testing`: virtual time, inline runs, assertions about what waits.

use std::time::Duration;

use towpath::testing::TestApp;
use towpath::{Context, Data, FailReason, Kind, Outcome, TaskError, task};

#[task(max_retries = 3, backoff = exponential(4, "10s", jitter = 0.0))]
async fn flaky(ctx: Context, until: u32) -> Result<u32, TaskError> {
    if ctx.retries() < until {
        Err(TaskError::msg("not yet"))
    } else {
        Ok(ctx.retries())
    }
}

#[task]
async fn fan_out(ctx: Context, n: u32) -> Result<(), TaskError> {
    for n in 0..n {
        flaky
            .submit(&ctx.broker(), (n,))
            .queue("fan")
            .priority(n)
            .await?;
    }
    Ok(())
}

#[task(mechanism = "thread")]
fn length(words: Data<Vec<String>>) -> usize {
    words.len()
}

#[task]
async fn patient(ctx: Context) -> Outcome<u32> {
    let snoozes = ctx.message().counters.snoozes;
    if snoozes < 2 {
        Outcome::Snooze(Duration::from_secs(3_600))
    } else {
        Outcome::Done(snoozes)
    }
}

fn test_app() -> TestApp {
    let words = vec!["tow".to_owned(), "path".to_owned()];
    TestApp::new(|app| {
        app.data(words)
            .task(flaky)
            .task(fan_out)
            .task(length)
            .task(patient)
    })
}

#[tokio::test]
async fn backoff_passes_in_virtual_time() {
    let test = test_app();
    let submitted = flaky.submit(&test.broker(), (2,)).await.unwrap();
    let drained = test.drain().await.unwrap();
    // Waits of 40 s and 160 s, and no real second of them.
    assert_eq!((drained.attempts, drained.elapsed.as_secs()), (3, 200));
    assert_eq!(submitted.result(Duration::ZERO).await.unwrap(), 2);
}

#[tokio::test]
async fn exhausted_retries_end_in_a_dead_letter() {
    let test = test_app();
    let submitted = flaky.submit(&test.broker(), (9,)).await.unwrap();
    test.drain().await.unwrap();
    let record = test.record(submitted.id()).await.unwrap();
    assert_eq!(record.reason, Some(FailReason::Exhausted));
    assert_eq!(
        submitted.result(Duration::ZERO).await.unwrap_err().kind(),
        Kind::Failed
    );
}

#[tokio::test]
async fn inline_runs_give_outputs_and_threads_and_data_work() {
    let test = test_app();
    assert_eq!(test.run_inline(&length, ()).await.unwrap(), 2);
    assert_eq!(test.run_inline(&patient, ()).await.unwrap(), 2);
}

#[tokio::test]
async fn what_was_enqueued_is_asserted() {
    let test = test_app();
    fan_out.submit(&test.broker(), (3,)).await.unwrap();
    test.refute_enqueued("flaky").await;
    test.app().run_ready(1).await.unwrap();
    test.assert_enqueued("flaky")
        .await
        .count(3)
        .in_queue("fan")
        .with_priority(2)
        .with_args([2]);
}

#[tokio::test]
#[should_panic(
    expected = "no message of task \"flaky\" waits; the store holds: fan_out in \"default\""
)]
async fn a_failed_assertion_tells_what_there_is() {
    let test = test_app();
    fan_out.submit(&test.broker(), (3,)).await.unwrap();
    test.assert_enqueued("flaky").await;
}

#[tokio::test]
async fn nothing_runs_before_its_time() {
    let test = test_app();
    patient
        .submit(&test.broker(), ())
        .delay(Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(test.run_ready().await.unwrap(), 0);
    test.advance(Duration::from_millis(59_999));
    assert_eq!(test.run_ready().await.unwrap(), 0);
    test.advance(Duration::from_millis(1));
    assert_eq!(test.run_ready().await.unwrap(), 1);
}
