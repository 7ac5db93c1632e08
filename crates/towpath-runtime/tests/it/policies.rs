//! Hooks and decisions around attempts.

use std::sync::{Arc, Mutex};

use towpath_core::{AttemptError, Draft, FailReason, Payload, State};
use towpath_runtime::{Context, Policy, TaskError, draft_of, from_fn};

use crate::support::{SOON, app, at_once, ended};

/// Notes every call, and misbehaves where told to.
#[derive(Clone, Default)]
struct Diary {
    calls: Arc<Mutex<Vec<&'static str>>>,
    fail_in: Option<&'static str>,
    panic_in: Option<&'static str>,
    refuse: bool,
}

impl Diary {
    fn note(&self, call: &'static str) -> Result<(), TaskError> {
        self.calls.lock().unwrap().push(call);
        assert!(self.panic_in != Some(call), "{call} panicked on purpose");
        if self.fail_in == Some(call) {
            Err(TaskError::msg(call))
        } else {
            Ok(())
        }
    }
}

impl Policy for Diary {
    async fn pre_op(&self, _: &Context) -> Result<(), TaskError> {
        self.note("pre_op")
    }
    async fn post_op(&self, _: &Context, output: Option<&Payload>) -> Result<(), TaskError> {
        self.note(if output.is_some() {
            "post_op(output)"
        } else {
            "post_op(none)"
        })
    }
    fn do_retry(&self, _: &Context, _: &TaskError) -> bool {
        let _ = self.note("do_retry");
        !self.refuse
    }
    fn do_callback(&self, _: &Context, _: &Payload) -> bool {
        let _ = self.note("do_callback");
        !self.refuse
    }
    async fn on_submit(&self, _: &Draft) {
        let _ = self.note("on_submit");
    }
    async fn on_retry(&self, _: &Context, _: &AttemptError) {
        let _ = self.note("on_retry");
    }
    async fn on_failure(&self, _: &Context, _: &AttemptError) {
        let _ = self.note("on_failure");
    }
    async fn on_success(&self, _: &Context, _: &Payload) {
        let _ = self.note("on_success");
    }
    async fn on_revocation(&self, _: &Context) {
        let _ = self.note("on_revocation");
    }
}

/// Runs one message of a task with that policy to its end, and gives the calls.
async fn calls(
    diary: &Diary,
    ok: bool,
    callback: bool,
) -> (State, Option<FailReason>, Vec<&'static str>) {
    let settings = at_once("kept").max_retries(1).policy(diary.clone());
    let kept = from_fn(settings, move |(): (), _| async move {
        if ok {
            Ok(())
        } else {
            Err(TaskError::msg("no"))
        }
    });
    let mut draft = draft_of(&kept, &()).unwrap();
    if callback {
        draft.options.callback = Some(Box::new(Draft::new(
            "nobody".try_into().unwrap(),
            Payload::json("[]"),
        )));
    }
    let next = draft.descendants();
    let app = app().task(kept);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    let record = ended(&app, id).await;
    worker.stop().await.unwrap();
    if let Some(next) = next.first() {
        assert_eq!(
            app.broker().exists(*next).await.unwrap(),
            !diary.refuse,
            "the callback"
        );
    }
    let calls = diary.calls.lock().unwrap().clone();
    (record.state, record.reason, calls)
}

#[tokio::test]
async fn hooks_run_in_order_around_a_success() {
    let diary = Diary::default();
    let (state, _, calls) = calls(&diary, true, true).await;
    assert_eq!(state, State::Succeeded);
    let expected = [
        "on_submit",
        "pre_op",
        "post_op(output)",
        "do_callback",
        "on_success",
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn hooks_run_in_order_around_failures() {
    let diary = Diary::default();
    let (_, reason, calls) = calls(&diary, false, false).await;
    assert_eq!(reason, Some(FailReason::Exhausted));
    // The hook of the first attempt runs beside the second attempt: their order is open.
    let of = |name| calls.iter().filter(|call| **call == name).count();
    assert_eq!(
        (of("pre_op"), of("post_op(none)"), of("do_retry")),
        (2, 2, 1),
        "{calls:?}"
    );
    assert_eq!(
        (of("on_retry"), of("on_failure"), of("on_success")),
        (1, 1, 0),
        "{calls:?}"
    );
}

#[tokio::test]
async fn do_retry_and_do_callback_decide() {
    let diary = Diary {
        refuse: true,
        ..Diary::default()
    };
    let (_, reason, _) = calls(&diary, false, false).await;
    assert_eq!(reason, Some(FailReason::Rejected));
    calls(&diary, true, true).await;
}

#[tokio::test]
async fn an_error_or_panic_in_pre_op_or_post_op_fails_the_attempt() {
    for hook in ["pre_op", "post_op(output)"] {
        let (state, ..) = calls(
            &Diary {
                fail_in: Some(hook),
                ..Diary::default()
            },
            true,
            false,
        )
        .await;
        assert_eq!(state, State::Failed, "an error in {hook}");
        let (state, ..) = calls(
            &Diary {
                panic_in: Some(hook),
                ..Diary::default()
            },
            true,
            false,
        )
        .await;
        assert_eq!(state, State::Failed, "a panic in {hook}");
    }
}

#[tokio::test]
async fn a_panic_in_a_decision_counts_as_the_default_and_one_in_an_on_hook_changes_nothing() {
    let diary = Diary {
        panic_in: Some("do_retry"),
        ..Diary::default()
    };
    let (_, reason, _) = calls(&diary, false, false).await;
    assert_eq!(reason, Some(FailReason::Exhausted), "it was retried");
    for hook in ["on_submit", "on_success", "do_callback"] {
        let diary = Diary {
            panic_in: Some(hook),
            ..Diary::default()
        };
        let (state, ..) = calls(&diary, true, true).await;
        assert_eq!(state, State::Succeeded, "a panic in {hook}");
    }
}

#[tokio::test]
async fn a_revoked_attempt_gets_on_revocation_alone() {
    let diary = Diary::default();
    let (running, is_running) = tokio::sync::oneshot::channel();
    let running = Mutex::new(Some(running));
    let kept = from_fn(at_once("kept").policy(diary.clone()), move |(): (), _| {
        let running = running.lock().unwrap().take();
        async move {
            let _ = running.map(|running| running.send(()));
            std::future::pending::<Result<(), TaskError>>().await
        }
    });
    let draft = draft_of(&kept, &()).unwrap();
    let app = app().task(kept);
    let worker = app.worker().start().await.unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    is_running.await.unwrap();
    app.broker().revoke(id, false).await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    worker.stop().await.unwrap();
    assert_eq!(
        *diary.calls.lock().unwrap(),
        ["on_submit", "pre_op", "on_revocation"]
    );
}
