//! Catches panics of handlers, with message and place.
//!
//! The place is only known to the panic hook, so a hook is added (once per process, before the one
//! that was there) which notes it for the thread that panics inside an attempt.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};

use crate::task::TaskError;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() {
                PLACE.set(info.location().map(ToString::to_string));
            }
            before(info);
        }));
    });
}

/// Runs `f`; a panic becomes an error.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, TaskError> {
    note_places();
    let outer = INSIDE.replace(true);
    let caught = catch_unwind(AssertUnwindSafe(f));
    INSIDE.set(outer);
    caught.map_err(|panic| to_error(&*panic))
}

fn to_error(panic: &(dyn Any + Send)) -> TaskError {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    let error = TaskError::new("panic", text);
    match PLACE.take() {
        Some(place) => error.with_traceback(format!("at {place}")),
        None => error,
    }
}

/// A future whose panics are errors.
pub(crate) struct Catch<F>(pub(crate) F);

impl<T, F: Future<Output = Result<T, TaskError>> + Unpin> Future for Catch<F> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch(|| Pin::new(&mut self.0).poll(cx)) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_message_and_place() {
        let error = catch(|| -> () { panic!("no {}", "way") }).unwrap_err();
        assert_eq!(error.attempt_error().name, "panic");
        assert_eq!(error.attempt_error().text, "no way");
        let place = error.attempt_error().traceback.clone().unwrap();
        assert!(
            place.starts_with("at ") && place.contains("panics.rs:"),
            "{place}"
        );
    }
}
