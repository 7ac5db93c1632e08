//! One call of a function, with its deadline: on another thread, so that a panic ends the call alone and one that
//! overruns is left behind.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use serde_json::Value;

use super::lane::{Lane, look_out};
use super::registry::{Call, Function};

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed(String),
    /// It is still running, told to stop, and nobody waits for it any more. It must not be called again beside itself.
    Abandoned(String),
}

/// Makes it. The text of an error is cut, for it is written down.
pub(super) fn make(
    lane: &mut Lane,
    function: Function,
    call: &Call,
    args: Value,
    deadline: Duration,
    grace: Duration,
) -> Outcome {
    let (tell, told) = sync_channel(1);
    let job = Job {
        function,
        call: call.clone(),
        args,
        tell,
    };
    let runner = match lane.begin(job) {
        Ok(runner) => runner,
        Err(error) => return Outcome::Failed(format!("cannot start a thread: {error}")),
    };
    let (outcome, is_free) = wait(&told, call, deadline, grace);
    if is_free {
        lane.keep(runner);
    }
    outcome
}

/// How it ended, and whether its thread is free again.
fn wait(
    told: &Receiver<Ended>,
    call: &Call,
    deadline: Duration,
    grace: Duration,
) -> (Outcome, bool) {
    let late = format!("it ran for longer than its {deadline:?}");
    let early = look_out(told, || true);
    match early.map_or_else(|| told.recv_timeout(deadline), Ok) {
        Ok(Ok(())) => return (Outcome::Done, true),
        Ok(Err(error)) => return (Outcome::Failed(cut(&error)), true),
        Err(RecvTimeoutError::Disconnected) => {
            return (Outcome::Failed("its thread is gone".to_owned()), false);
        }
        Err(RecvTimeoutError::Timeout) => call.cancel(),
    }
    match told.recv_timeout(grace) {
        Err(RecvTimeoutError::Timeout) => (
            Outcome::Abandoned(format!("{late} and did not stop")),
            false,
        ),
        // What it says now is of a call that was cancelled, whether it calls that a success or not.
        ended => (Outcome::Failed(late), ended.is_ok()),
    }
}

type Ended = Result<(), String>;

/// A call, and whom to tell how it ended.
pub(super) struct Job {
    function: Function,
    call: Call,
    args: Value,
    tell: SyncSender<Ended>,
}

impl Job {
    pub(super) fn run(self) {
        let called = AssertUnwindSafe(|| (self.function)(&self.call, &self.args));
        let ended = catch_unwind(called)
            .unwrap_or_else(|panic| Err(format!("it panicked: {}", said(&*panic))));
        // Nobody listens any more when it comes too late.
        let _nobody = self.tell.send(ended);
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("with something that is not text")
}

/// At most a thousand characters.
fn cut(text: &str) -> String {
    text.chars().take(1000).collect()
}
