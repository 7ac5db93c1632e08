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

/// A future whose panics are errors, also those of its drop where it is called off.
pub(crate) struct Catch<F>(Option<F>);

impl<F> Catch<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(future))
    }
}

impl<F> Drop for Catch<F> {
    fn drop(&mut self) {
        // It was called off for another reason, which is what is told of it. The hook has shown the panic.
        let future = self.0.take();
        let _told_by_the_hook = catch(|| drop(future));
    }
}

impl<T, F: Future<Output = Result<T, TaskError>> + Unpin> Future for Catch<F> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("it is taken by the drop alone");
        match catch(|| Pin::new(future).poll(cx)) {
            Ok(poll) => poll,
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_of_the_drop_of_what_is_called_off_goes_no_further() {
        let held = PanicsWhenDropped;
        let body = Box::pin(async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok::<(), TaskError>(())
        });
        let mut body = Catch::new(body);
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll(&mut context).is_pending());
        drop(body);
    }

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
