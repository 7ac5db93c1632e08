//! When deferred functions are run, told by scopes that only note what is asked of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use towpath_core::store::Verdict;
use towpath_core::{Error, Kind, MessageId, Result, State, Store as _, SystemClock, Token, limits};
use towpath_runtime::{
    App, AttemptScope, AttemptScopes, Body, CancelReason, CleanedUp, Context, FnTask, TaskError,
    draft_of, from_blocking_fn, from_fn,
};

use crate::log::Log;
use crate::spy::Spy;
use crate::support::{SOON, app, at_once, ended, task, until};

/// What is done when the functions of an attempt are to be run.
type Leave = Arc<dyn Fn() -> CleanedUp + Send + Sync>;

/// Notes what is asked.
#[derive(Clone)]
struct Noted {
    log: Arc<Log>,
    leave: Leave,
    orphans: Option<Error>,
}

impl std::fmt::Debug for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Noted")
    }
}

impl Noted {
    fn on(log: &Arc<Log>) -> Self {
        Self {
            log: log.clone(),
            leave: Arc::new(CleanedUp::default),
            orphans: None,
        }
    }

    fn leaving(self, leave: impl Fn() -> CleanedUp + Send + Sync + 'static) -> Self {
        Self {
            leave: Arc::new(leave),
            ..self
        }
    }
}

impl AttemptScopes for Noted {
    fn orphans(&self) -> Result<CleanedUp> {
        self.log.note("orphans");
        match &self.orphans {
            Some(error) => Err(error.clone()),
            None => Ok(CleanedUp::default()),
        }
    }

    fn enter(&self, _attempt: Token) -> Result<Box<dyn AttemptScope>> {
        self.log.note("entered");
        Ok(Box::new(One {
            with: self.clone(),
            promised: Some(Vec::new()),
        }))
    }
}

struct One {
    with: Noted,
    /// `None` once they were run.
    promised: Option<Vec<String>>,
}

impl AttemptScope for One {
    fn defer(&mut self, name: &str, arguments: Value) -> Result<()> {
        if name == "unheard of" {
            return Err(Error::invalid("there is no such function"));
        }
        let promised = self.promised.as_mut().expect("it is open");
        promised.push(format!("{name}{arguments}"));
        Ok(())
    }

    fn leave(mut self: Box<Self>) -> CleanedUp {
        let promised = self.promised.take().expect("it is left once");
        self.with.log.note(format!("ran {}", promised.join(" ")));
        let cleaned = (self.with.leave)();
        self.with.log.note("left");
        cleaned
    }
}

impl Drop for One {
    fn drop(&mut self) {
        if self.promised.is_some() {
            self.with.log.note("dropped");
        }
    }
}

/// An app on a store that notes beside its scopes.
fn noted() -> (App, Arc<Log>) {
    let spy = Spy::by(Arc::new(SystemClock::new()));
    let log = spy.log.clone();
    (App::new(spy).scopes(Noted::on(&log)), log)
}

/// What was noted, but for the first line of a kind that comes again and again.
fn without_repeated(log: &Log) -> Vec<String> {
    let mut lines = log.lines();
    let mut first = true;
    lines.retain(|line| line != "orphans" || std::mem::take(&mut first));
    lines
}

/// How a body ends, by itself.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
enum End {
    Well,
    WithAnError,
    ByAPanic,
    /// An async body that waits for ever, a blocking one that looks whether its time is up.
    ByItsTimeout,
}

fn promise(ctx: &Context) -> Result<(), TaskError> {
    ctx.defer("first", &json!(1))?;
    ctx.defer("second", &json!(2))?;
    Ok(())
}

fn end(how: End) -> Result<(), TaskError> {
    match how {
        End::WithAnError => Err(TaskError::msg("as asked")),
        End::ByAPanic => panic!("as asked"),
        End::Well | End::ByItsTimeout => Ok(()),
    }
}

fn in_async() -> FnTask<End, (), impl Fn(End, Context) -> Body<()> + Send + Sync + 'static> {
    from_fn(
        at_once("task").max_retries(0),
        |how, ctx: Context| async move {
            promise(&ctx)?;
            if matches!(how, End::ByItsTimeout) {
                std::future::pending::<()>().await;
            }
            end(how)
        },
    )
}

fn on_a_thread() -> FnTask<End, (), impl Fn(End, Context) -> Body<()> + Send + Sync + 'static> {
    from_blocking_fn(at_once("task").max_retries(0), |how, ctx: Context| {
        promise(&ctx)?;
        end(how)
    })
}

/// Runs one message to its end, and checks in which order things happened.
async fn check(app: App, log: Arc<Log>, how: End, settled: &str) {
    let mut draft = draft_of(&in_async(), &how).unwrap();
    if matches!(how, End::ByItsTimeout) {
        draft.options.timeout = Duration::from_millis(50);
    }
    let id = app.broker().submit(draft).await.unwrap();
    let worker = app.worker().start().await.unwrap();
    ended(&app, id).await;
    worker.stop().await.unwrap();
    let expected = [
        "orphans",
        "joined",
        "claimed 1",
        "entered",
        "ran first1 second2",
        "left",
        &format!("settled {settled}"),
    ];
    assert_eq!(without_repeated(&log), expected, "{how:?}");
}

const ENDS: [(End, &str); 3] = [
    (End::Well, "done"),
    (End::WithAnError, "fail"),
    (End::ByAPanic, "fail"),
];

#[tokio::test]
async fn orphans_come_before_the_claim_and_the_functions_of_an_attempt_before_its_end_is_settled() {
    for (how, settled) in ENDS.into_iter().chain([(End::ByItsTimeout, "fail")]) {
        let (app, log) = noted();
        check(app.task(in_async()), log, how, settled).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_on_a_runtime_with_several_threads() {
    for (how, settled) in ENDS.into_iter().chain([(End::ByItsTimeout, "fail")]) {
        let (app, log) = noted();
        check(app.task(in_async()), log, how, settled).await;
    }
}

#[tokio::test]
async fn so_it_is_with_bodies_on_threads() {
    for (how, settled) in ENDS {
        let (app, log) = noted();
        check(app.task(on_a_thread()), log, how, settled).await;
    }
}

#[tokio::test]
async fn so_it_is_with_async_bodies_on_threads() {
    for (how, settled) in ENDS {
        let settings = at_once("task")
            .max_retries(0)
            .mechanism(towpath_core::Mechanism::Thread);
        let body = from_fn(settings, |how, ctx: Context| async move {
            promise(&ctx)?;
            tokio::task::yield_now().await;
            end(how)
        });
        let (app, log) = noted();
        check(app.task(body), log, how, settled).await;
    }
}

#[tokio::test]
async fn a_retry_begins_after_the_functions_of_the_attempt_before_it() {
    let (app, log) = noted();
    let noting = log.clone();
    let flaky = from_fn(
        at_once("flaky").max_retries(1),
        move |(): (), ctx: Context| {
            noting.note(format!("attempt {}", ctx.token().claims));
            async move {
                ctx.defer("undo", &json!(ctx.token().claims))?;
                match ctx.retries() {
                    0 => Err(TaskError::msg("not yet")),
                    _ => Ok(()),
                }
            }
        },
    );
    let id = app
        .broker()
        .submit(draft_of(&flaky, &()).unwrap())
        .await
        .unwrap();
    let app = app.task(flaky);
    assert_eq!(app.run_ready(10).await.unwrap(), 2);
    assert_eq!(ended(&app, id).await.state, State::Succeeded);
    let one = |claim: u32, settled: &str| {
        [
            format!("claimed {claim}"),
            format!("attempt {claim}"),
            "entered".to_owned(),
            format!("ran undo{claim}"),
            "left".to_owned(),
            format!("settled {settled}"),
        ]
    };
    let begun = ["orphans".to_owned(), "joined".to_owned()];
    let expected = begun
        .into_iter()
        .chain(one(1, "retry"))
        .chain(one(2, "done"));
    assert_eq!(log.lines(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_attempt_that_promises_nothing_enters_nothing() {
    let (app, log) = noted();
    let quiet = task("quiet", |(): (), _| async { Ok(()) });
    let refused = task("refused", |(): (), ctx: Context| async move {
        // Not JSON: nothing is entered for it.
        let no_json = std::collections::HashMap::from([((1, 2), 3)]);
        let error = ctx.defer("first", &no_json).unwrap_err();
        Ok(error.kind().as_str().to_owned())
    });
    let broker = app.broker();
    let silent = broker.submit(draft_of(&quiet, &()).unwrap()).await.unwrap();
    let codec = broker
        .submit(draft_of(&refused, &()).unwrap())
        .await
        .unwrap();
    let app = app.task(quiet).task(refused);
    let worker = app.worker().start().await.unwrap();
    assert_eq!(ended(&app, silent).await.state, State::Succeeded);
    let told: String = app.broker().results().get(codec, SOON).await.unwrap();
    assert_eq!(told, "codec");
    worker.stop().await.unwrap();
    for never in ["entered", "left", "dropped"] {
        assert_eq!(log.count(never), 0, "{never}");
    }
}

#[tokio::test]
async fn what_cannot_be_promised_is_an_error_of_the_call_alone() {
    let (app, log) = noted();
    let tries = task("tries", |(): (), ctx: Context| async move {
        let error = ctx.defer("unheard of", &()).unwrap_err();
        ctx.defer("heard of", &())?;
        Ok(error.kind().as_str().to_owned())
    });
    let id = app
        .broker()
        .submit(draft_of(&tries, &()).unwrap())
        .await
        .unwrap();
    let app = app.task(tries);
    app.run_ready(1).await.unwrap();
    let told: String = app.broker().results().get(id, SOON).await.unwrap();
    assert_eq!(told, "invalid");
    assert_eq!(log.count("ran heard ofnull"), 1);
}

#[tokio::test]
async fn without_a_state_directory_a_promise_is_refused_with_the_way_out() {
    let tries = task("tries", |(): (), ctx: Context| async move {
        let error = ctx.defer("remove_path", &()).unwrap_err();
        assert_eq!(error.kind(), Kind::MissingData);
        Ok((ctx.can_defer(), error.to_string()))
    });
    let app = app();
    let id = app
        .broker()
        .submit(draft_of(&tries, &()).unwrap())
        .await
        .unwrap();
    let app = app.task(tries);
    app.run_ready(1).await.unwrap();
    let told: (bool, String) = app.broker().results().get(id, SOON).await.unwrap();
    assert!(!told.0);
    let expected = "cannot defer \"remove_path\": the app was given no state directory to write it down in; name one \
                    by App::scopes, or by towpath worker --state-dir";
    assert_eq!(told.1, expected);
}

/// Enters only when it is told to.
#[derive(Debug)]
struct Slow(Mutex<std::sync::mpsc::Receiver<()>>);

impl AttemptScopes for Slow {
    fn orphans(&self) -> Result<CleanedUp> {
        Ok(CleanedUp::default())
    }

    fn enter(&self, _attempt: Token) -> Result<Box<dyn AttemptScope>> {
        let told = self.0.lock().unwrap().recv_timeout(SOON);
        assert!(told.is_ok(), "the task that tells it did not run");
        Err(Error::new(Kind::Storage, "the disk is full"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_disk_holds_up_no_other_task_of_a_runtime_with_several_threads() {
    let (tell, told) = std::sync::mpsc::channel();
    let settings = at_once("promises").max_retries(0);
    let promises = from_fn(settings, move |(): (), ctx: Context| {
        let tell = tell.clone();
        async move {
            // The only thread of this runtime is ours: another one has to come for this task.
            tokio::spawn(async move { tell.send(()) });
            let error = ctx.defer("undo", &()).unwrap_err();
            Ok::<_, TaskError>(error.kind().as_str().to_owned())
        }
    });
    let draft = draft_of(&promises, &()).unwrap();
    let app = app().task(promises).scopes(Slow(Mutex::new(told)));
    let id = app.broker().submit(draft).await.unwrap();
    let worker = app.worker().start().await.unwrap();
    let told: String = app.broker().results().get(id, SOON).await.unwrap();
    assert_eq!(told, "storage");
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_promise_after_the_end_of_its_attempt_is_an_error() {
    let (app, log) = noted();
    let leaked = Arc::new(Mutex::new(Vec::new()));
    let leak = leaked.clone();
    let leaks = task("leaks", move |promises: bool, ctx: Context| {
        leak.lock().unwrap().push(ctx.clone());
        async move {
            if promises {
                ctx.defer("first", &())?;
            }
            Ok(())
        }
    });
    for promises in [false, true] {
        let draft = draft_of(&leaks, &promises).unwrap();
        app.broker().submit(draft).await.unwrap();
    }
    let app = app.task(leaks);
    assert_eq!(app.run_ready(10).await.unwrap(), 2);
    for ctx in leaked.lock().unwrap().drain(..) {
        let error = ctx.defer("late", &()).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongState);
        assert!(error.to_string().contains("has ended"), "{error}");
    }
    assert_eq!((log.count("entered"), log.count("left")), (1, 1));
    assert_eq!(log.count("ran firstnull"), 1);
}

/// A worker of a task that promises something, says so and waits to be called off; its one message runs.
async fn waiting(app: App, log: &Arc<Log>) -> (App, towpath_runtime::Worker, MessageId) {
    let noting = log.clone();
    let waits = task("waits", move |(): (), ctx: Context| {
        let log = noting.clone();
        async move {
            if ctx.token().claims == 1 {
                ctx.defer("undo", &())?;
                log.note("waits");
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    });
    let id = app
        .broker()
        .submit(draft_of(&waits, &()).unwrap())
        .await
        .unwrap();
    let app = app.task(waits);
    let lease = (Duration::from_millis(400), Duration::from_millis(10));
    let worker = app.worker().lease(lease.0, lease.1).start().await.unwrap();
    log.until("waits", 1).await;
    (app, worker, id)
}

#[tokio::test]
async fn a_revoked_attempt_has_its_functions_run() {
    let (app, log) = noted();
    let (app, worker, id) = waiting(app, &log).await;
    app.broker().revoke(id, false).await.unwrap();
    log.until("left", 1).await;
    assert_eq!(log.count("ran undonull"), 1);
    assert_eq!(ended(&app, id).await.state, State::Revoked);
    worker.stop().await.unwrap();
    assert_eq!(
        log.lines()
            .iter()
            .filter(|line| line.starts_with("settled"))
            .count(),
        0
    );
}

#[tokio::test]
async fn an_attempt_that_lost_its_lease_has_its_functions_run() {
    let (app, log) = noted();
    let (app, worker, id) = waiting(app, &log).await;
    app.store().leave(worker.incarnation()).await.unwrap();
    log.until("left", 1).await;
    assert_eq!(log.count("ran undonull"), 1);
    assert_eq!(ended(&app, id).await.state, State::Succeeded);
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_is_to_end_at_once_leaves_promises_to_the_next_one() {
    let (app, log) = noted();
    let (app, worker, id) = waiting(app, &log).await;
    worker.stop_now().await.unwrap();
    assert_eq!((log.count("dropped"), log.count("left")), (1, 0));
    assert_eq!(until(&app, id, State::Ready).await.counters.claims, 1);
}

#[tokio::test]
async fn a_function_that_takes_long_does_not_hold_up_a_worker_that_is_to_end_at_once() {
    let spy = Spy::by(Arc::new(SystemClock::new()));
    let log = spy.log.clone();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let noting = log.clone();
    let scopes = Noted::on(&log).leaving(move || {
        noting.note("running");
        let _released = held.lock().unwrap().recv();
        CleanedUp::default()
    });
    let app = App::new(spy).scopes(scopes).task(in_async());
    let draft = draft_of(&in_async(), &End::Well).unwrap();
    let id = app.broker().submit(draft).await.unwrap();
    let worker = app.worker().start().await.unwrap();
    log.until("running", 1).await;
    worker.stop_now().await.unwrap();
    assert_eq!(ended(&app, id).await.state, State::Succeeded);
    let lines = log.lines();
    assert!(lines.contains(&"settled done".to_owned()), "{lines:?}");
    assert!(!lines.contains(&"left".to_owned()), "{lines:?}");
    drop(release);
    log.until("left", 1).await;
}

#[tokio::test]
async fn a_body_that_is_left_behind_has_its_functions_run_when_it_returns_and_promises_no_more() {
    // A machine may be so busy that an attempt is over before its body begins; then a longer one is tried.
    for timeout in [20, 200, 2_000, 20_000].map(Duration::from_millis) {
        if is_left_behind(timeout).await {
            return;
        }
    }
    panic!("no body had begun in its time");
}

/// Whether a body could promise something before its timeout was over. If so it is left behind by it.
async fn is_left_behind(timeout: Duration) -> bool {
    let (app, log) = noted();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let noting = log.clone();
    let settings = at_once("deaf").max_retries(0);
    let deaf = from_blocking_fn(settings, move |(): (), ctx: Context| {
        let promised = ctx.defer("undo", &());
        noting.note(if promised.is_ok() { "promised" } else { "late" });
        noting.note("began");
        let _released = held.lock().unwrap().recv();
        let late = ctx.defer("late", &()).unwrap_err();
        let reason = ctx.cancellation().reason();
        assert_eq!(reason, Some(CancelReason::TimedOut));
        noting.note(format!("returns {}", late.kind().as_str()));
        Ok::<(), TaskError>(())
    });
    let mut draft = draft_of(&deaf, &()).unwrap();
    draft.options.timeout = timeout;
    let app = app.task(deaf);
    let id = app.broker().submit(draft).await.unwrap();
    let worker = app.worker().threads(1).start().await.unwrap();
    assert_eq!(ended(&app, id).await.error().unwrap().name, "timeout");
    log.until("began", 1).await;
    let promised = log.count("promised") == 1;
    if promised {
        assert_eq!(log.count("left"), 0);
        drop(release);
        log.until("left", 1).await;
        let lines = without_repeated(&log);
        let expected = [
            "settled fail",
            "returns wrong_state",
            "ran undonull",
            "left",
        ];
        assert_eq!(&lines[lines.len() - 4..], expected);
    }
    worker.stop().await.unwrap();
    promised
}

#[tokio::test]
async fn functions_that_fail_or_panic_are_told_and_change_no_outcome() {
    let spy = Spy::by(Arc::new(SystemClock::new()));
    let calls = AtomicU32::new(0);
    let scopes = Noted::on(&spy.log).leaving(move || {
        if calls.fetch_add(1, Ordering::SeqCst) > 0 {
            panic!("the scopes themselves");
        }
        CleanedUp {
            done: 1,
            failed: 2,
            troubles: vec!["no luck".to_owned()],
            ..CleanedUp::default()
        }
    });
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let app = App::new(spy)
        .scopes(scopes)
        .task(in_async())
        .on_error(move |error| telling.lock().unwrap().push(error.to_string()));
    for _ in 0..2 {
        let draft = draft_of(&in_async(), &End::Well).unwrap();
        let id = app.broker().submit(draft).await.unwrap();
        app.run_ready(1).await.unwrap();
        assert_eq!(ended(&app, id).await.state, State::Succeeded);
    }
    let told = told.lock().unwrap();
    assert!(
        told[0].starts_with("cleaning up after attempt "),
        "{told:?}"
    );
    assert!(told[0].ends_with(": no luck"), "{told:?}");
    assert!(told[1].contains("the scopes themselves"), "{told:?}");
    assert_eq!(told.len(), 2);
    let counted = app.metrics().snapshot();
    assert_eq!((counted.deferred_done, counted.deferred_failed), (1, 2));
}

#[tokio::test]
async fn a_worker_that_cannot_look_for_orphans_claims_nothing() {
    let spy = Spy::by(Arc::new(SystemClock::new()));
    let log = spy.log.clone();
    let scopes = Noted {
        orphans: Some(Error::new(Kind::Storage, "the disk is gone")),
        ..Noted::on(&log)
    };
    let app = App::new(spy).scopes(scopes).task(in_async());
    let error = app.worker().start().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    let text = "running what dead workers have left: the disk is gone";
    assert_eq!(error.to_string(), text);
    assert_eq!(app.run_ready(1).await.unwrap_err().kind(), Kind::Storage);
    assert_eq!(log.lines(), ["orphans", "orphans"]);
}

#[tokio::test]
async fn a_live_worker_looks_for_orphans_again_and_again() {
    let (app, log) = noted();
    let worker = app.task(in_async()).worker().start().await.unwrap();
    // At its start, at once by its upkeep, and again.
    log.until("orphans", 4).await;
    worker.stop().await.unwrap();
}

#[tokio::test]
async fn an_attempt_of_a_message_whose_worker_left_it_begins_after_orphans() {
    for is_lost in [true, false] {
        let (spy, stage) = Spy::on_stage().await;
        let log = spy.log.clone();
        let id = stage.submit().await;
        stage.claim(id).await;
        match is_lost {
            true => {
                stage.clock.advance(limits::LEASE * 2);
                assert_eq!(spy.rescue(10).await.unwrap().returned, 1);
            }
            // As one that is told to end at once does, which leaves its functions written down.
            false => stage.settle(id, |_| Verdict::Release).await,
        }
        let noting = log.clone();
        let work = from_fn(at_once("work"), move |_: Vec<u32>, _: Context| {
            noting.note("body");
            async { Ok::<(), TaskError>(()) }
        });
        let app = App::new(spy).scopes(Noted::on(&log)).task(work);
        app.run_ready(1).await.unwrap();
        let lines = log.lines();
        let expected = [
            "orphans",
            "joined",
            "claimed 2",
            "orphans",
            "body",
            "settled done",
        ];
        assert_eq!(&lines[lines.len() - 6..], expected, "{is_lost}");
    }
}
