//! One call of a function, with its deadline: on a thread of its own, so that a panic ends the call alone and one that
//! overruns is left behind.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::Value;

use super::registry::{Call, Function};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs a deferred function.
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// How a call ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed(String),
    /// It is still running, told to stop, and nobody waits for it any more. It must not be called again beside itself.
    Abandoned(String),
}

/// Runs it. The text of an error is cut, for it is written down.
pub(super) fn run(
    function: Function,
    call: &Call,
    args: Value,
    deadline: Duration,
    grace: Duration,
) -> Outcome {
    let (tell, told) = sync_channel(1);
    let theirs = call.clone();
    let thread = std::thread::Builder::new().name("deferred".to_owned());
    let thread = thread.spawn(move || {
        INSIDE.set(true);
        let ended = catch_unwind(AssertUnwindSafe(|| function(&theirs, &args)));
        let ended = ended.unwrap_or_else(|panic| Err(format!("it panicked: {}", said(&*panic))));
        // Nobody listens any more when it comes too late.
        let _nobody = tell.send(ended);
    });
    if let Err(error) = thread {
        return Outcome::Failed(format!("cannot start a thread: {error}"));
    }
    let late = format!("it ran for longer than its {deadline:?}");
    match told.recv_timeout(deadline) {
        Ok(Ok(())) => return Outcome::Done,
        Ok(Err(error)) => return Outcome::Failed(cut(&error)),
        Err(RecvTimeoutError::Disconnected) => {
            return Outcome::Failed("its thread is gone".to_owned());
        }
        Err(RecvTimeoutError::Timeout) => call.cancel(),
    }
    match told.recv_timeout(grace) {
        Err(RecvTimeoutError::Timeout) => Outcome::Abandoned(format!("{late} and did not stop")),
        // What it says now is of a call that was cancelled, whether it calls that a success or not.
        _ => Outcome::Failed(late),
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
