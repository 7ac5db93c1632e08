//! What the return types of a task mean for its attempts.

use std::num::ParseIntError;

use towpath::testing::TestApp;
use towpath::{AttemptError, AttemptOutcome, Outcome, Task, TaskError, task};

#[task]
fn value(text: String) -> usize {
    text.len()
}

#[task]
async fn nothing() {}

#[task(max_retries = 0)]
fn standard(text: String) -> Result<u32, ParseIntError> {
    text.parse()
}

#[task(max_retries = 0)]
async fn any(text: String) -> anyhow::Result<u32> {
    use anyhow::Context as _;
    text.parse().context("no number")
}

#[task(max_retries = 0)]
fn owned_text() -> Result<(), String> {
    Err("an owned text".to_owned())
}

#[task(max_retries = 0)]
fn static_text() -> Result<(), &'static str> {
    Err("a static text")
}

#[task(max_retries = 0)]
fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err("in a box".into())
}

struct Refused;

impl From<Refused> for TaskError {
    fn from(_: Refused) -> Self {
        TaskError::fail("refused for good")
    }
}

#[task(max_retries = 3)]
fn converted() -> Result<(), Refused> {
    Err(Refused)
}

#[task(max_retries = 3)]
async fn hopeless() -> Result<(), TaskError> {
    Err(TaskError::fail("no use"))
}

#[task(max_retries = 0)]
fn never() -> Result<u8, std::convert::Infallible> {
    Ok(1)
}

#[task]
async fn decided(outcome: u8) -> Outcome<u8> {
    if outcome == 0 {
        Outcome::Fail(TaskError::msg("zero"))
    } else {
        Outcome::Done(outcome)
    }
}

#[task(mechanism = "async")]
fn decided_or_failed(text: String) -> Result<Outcome<u8>, ParseIntError> {
    Ok(Outcome::Done(text.parse()?))
}

#[task(mechanism = "thread")]
async fn on_a_thread() -> String {
    format!("{:?}", std::thread::current().id())
}

fn app() -> TestApp {
    TestApp::new(|app| {
        app.task(value)
            .task(nothing)
            .task(standard)
            .task(any)
            .task(owned_text)
            .task(static_text)
            .task(boxed)
            .task(converted)
            .task(hopeless)
            .task(never)
            .task(decided)
            .task(decided_or_failed)
    })
}

/// Runs a task that fails; the error that is kept, and how often it ran.
async fn failure<T: Task>(task: &T, args: T::Args) -> (AttemptError, usize) {
    let test = app();
    let broker = test.broker();
    let submitted = towpath::Submit::new(&broker, task, args).await.unwrap();
    test.drain().await.unwrap();
    let record = test.record(submitted.id()).await.unwrap();
    let error = record.error().expect("the attempt failed").clone();
    assert_eq!(
        record.attempts.last().unwrap().outcome,
        AttemptOutcome::Failed
    );
    (error, record.attempts.len())
}

#[tokio::test]
async fn outputs_are_found_inside_of_result_and_outcome() {
    let test = app();
    let text = || "12".to_owned();
    assert_eq!(test.run_inline(&value, (text(),)).await.unwrap(), 2);
    test.run_inline(&nothing, ()).await.unwrap();
    assert_eq!(test.run_inline(&standard, (text(),)).await.unwrap(), 12);
    assert_eq!(test.run_inline(&any, (text(),)).await.unwrap(), 12);
    assert_eq!(test.run_inline(&never, ()).await.unwrap(), 1);
    assert_eq!(test.run_inline(&decided, (3,)).await.unwrap(), 3);
    assert_eq!(
        test.run_inline(&decided_or_failed, (text(),))
            .await
            .unwrap(),
        12
    );
}

#[tokio::test]
async fn every_usual_error_keeps_its_name_text_and_causes() {
    let digit = "invalid digit found in string";
    let (error, _) = failure(&standard, ("x".to_owned(),)).await;
    assert!(error.is::<ParseIntError>(), "{error}");
    assert_eq!(error.text, digit);

    let (error, _) = failure(&any, ("x".to_owned(),)).await;
    assert_eq!(error.text, "no number");
    assert_eq!(error.traceback, Some(format!("caused by: {digit}")));

    let (error, _) = failure(&decided_or_failed, ("x".to_owned(),)).await;
    assert!(error.is::<ParseIntError>(), "{error}");

    assert_eq!(failure(&owned_text, ()).await.0.text, "an owned text");
    assert_eq!(failure(&static_text, ()).await.0.text, "a static text");
    assert_eq!(failure(&boxed, ()).await.0.text, "in a box");
}

#[tokio::test]
async fn a_task_error_and_an_outcome_decide_about_the_retry() {
    let (error, attempts) = failure(&hopeless, ()).await;
    assert_eq!((error.text.as_str(), attempts), ("no use", 1));
    let (error, attempts) = failure(&converted, ()).await;
    assert_eq!((error.text.as_str(), attempts), ("refused for good", 1));
    let (error, attempts) = failure(&decided, (0,)).await;
    assert_eq!((error.text.as_str(), attempts), ("zero", 1));
}

#[tokio::test]
async fn call_runs_the_body_without_a_message() {
    assert_eq!(value.call("four".to_owned()), 4);
    assert_eq!(any.call("4".to_owned()).await.unwrap(), 4);
    assert!(standard.call("x".to_owned()).is_err());
    let own = format!("{:?}", std::thread::current().id());
    assert_eq!(on_a_thread.call().await, own, "a mechanism is for workers");
}
