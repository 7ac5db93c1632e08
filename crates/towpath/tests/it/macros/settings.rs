//! What the options of a task mean for its messages.

use std::time::Duration;

use towpath::{Backoff, Mechanism, Policy, Retries, Task, TaskError, task};

#[task]
async fn plain() {}

#[task(
    name = "everything at once",
    queue = "q",
    max_retries = 0,
    timeout = "1h 30m",
    backoff = exponential(2, "100ms", floor = "200ms", ceiling = "1s", jitter = 0),
    mechanism = "thread",
    priority = 5,
    result_ttl = "2days",
    codec = "msgpack",
    named_only,
    policy = Stubborn,
    crate = ::towpath,
)]
async fn full() {}

struct Stubborn;

impl Policy for Stubborn {
    fn do_retry(&self, _ctx: &towpath::Context, _error: &TaskError) -> bool {
        false
    }
}

#[task(max_retries = "unlimited", backoff = Backoff::none())]
fn patient() {}

#[task(mechanism = "async", backoff = constant("5s"))]
fn inline() {}

#[task(backoff = linear("2s", floor = "1s"))]
fn linear() {}

#[test]
fn options_that_are_left_out_have_the_defaults_of_the_library() {
    let draft = plain.draft(()).unwrap();
    let default = towpath::Draft::new(draft.task.clone(), draft.payload.clone());
    assert_eq!(draft.task.as_str(), "plain");
    assert_eq!(
        towpath::Draft {
            id: draft.id,
            ..default
        },
        draft
    );
}

#[test]
fn every_option_arrives() {
    let draft = full.draft(()).unwrap();
    assert_eq!(draft.task.as_str(), "everything at once");
    assert_eq!(draft.queue.as_str(), "q");
    assert_eq!(draft.priority, 5);
    assert_eq!(draft.payload.codec().as_str(), "msgpack");
    assert_eq!(draft.options.retries, Retries::AtMost(0));
    assert_eq!(draft.options.timeout, Duration::from_secs(5_400));
    assert_eq!(draft.options.result_ttl, Some(Duration::from_secs(172_800)));
    assert_eq!(draft.options.mechanism, Mechanism::Thread);
    assert!(full.settings().is_named_only());
}

#[test]
fn backoffs_are_built_or_taken_as_they_are() {
    let check = |draft: towpath::Result<towpath::Draft>, expected: Backoff| {
        let settings = draft.unwrap().options.backoff.unwrap();
        assert_eq!(*settings, expected.settings());
    };
    let exponential = Backoff::exponential(2.0, Duration::from_millis(100))
        .floor(Duration::from_millis(200))
        .ceiling(Duration::from_secs(1))
        .jitter(0.0);
    check(full.draft(()), exponential);
    check(patient.draft(()), Backoff::none());
    check(inline.draft(()), Backoff::constant(Duration::from_secs(5)));
    let by_two_seconds = Backoff::linear(Duration::from_secs(2)).floor(Duration::from_secs(1));
    check(linear.draft(()), by_two_seconds);
    assert_eq!(
        patient.draft(()).unwrap().options.retries,
        Retries::Unlimited
    );
}

#[test]
fn the_mechanism_follows_the_function_unless_it_is_named() {
    let check = |mechanism: Mechanism, expected: Mechanism| assert_eq!(mechanism, expected);
    check(plain.settings().get_mechanism(), Mechanism::Async);
    check(full.settings().get_mechanism(), Mechanism::Thread);
    check(patient.settings().get_mechanism(), Mechanism::Thread);
    check(inline.settings().get_mechanism(), Mechanism::Async);
}
