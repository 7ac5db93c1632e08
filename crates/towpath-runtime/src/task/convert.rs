//! Turns whatever a handler returned as its error into a [`TaskError`].
//!
//! `#[towpath::task]` cannot know the error type of a function, only write code that works for all
//! of them. [`Thrown`] wraps the error, and method look-up takes the first trait that fits, by the
//! number of references: two for `TaskError` and what the user has made convertible to it, one for
//! everything that can become a boxed error (`anyhow::Error`, `String`, `&str`, boxes), none for the
//! rest, so that the compiler can say what is missing. This is method look-up by autoref, described at
//! <https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md>.

use std::error::Error;

use super::TaskError;

/// A handler's error on its way to becoming a [`TaskError`].
#[derive(Debug)]
pub struct Thrown<E>(Option<E>);

impl<E> Thrown<E> {
    /// Wraps the error.
    pub fn new(error: E) -> Self {
        Self(Some(error))
    }

    fn take(&mut self) -> E {
        self.0
            .take()
            .expect("the generated code converts an error once")
    }
}

/// The error is a [`TaskError`] or knows how to become one.
pub trait FromTaskError {
    /// The error.
    fn into_task_error(self) -> TaskError;
}

impl<E: Into<TaskError>> FromTaskError for &mut &mut Thrown<E> {
    fn into_task_error(self) -> TaskError {
        self.take().into()
    }
}

/// The error can become a boxed one.
pub trait FromBoxable {
    /// The error.
    fn into_task_error(self) -> TaskError;
}

impl<E: Into<Box<dyn Error + Send + Sync>>> FromBoxable for &mut Thrown<E> {
    fn into_task_error(self) -> TaskError {
        let boxed: Box<dyn Error + Send + Sync> = self.take().into();
        TaskError::of(std::any::type_name::<E>(), &*boxed)
    }
}

/// The error is of another kind, and no task can fail with it.
pub trait FromOther {
    /// Its type.
    type Thrown;

    /// Does not compile.
    fn into_task_error(self) -> TaskError
    where
        Self::Thrown: ErrorOfTask;
}

impl<E> FromOther for Thrown<E> {
    type Thrown = E;

    fn into_task_error(mut self) -> TaskError
    where
        E: ErrorOfTask,
    {
        self.take().into()
    }
}

/// What other errors lack. No type implements it: it is here for its words.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a task",
    label = "a task cannot fail with this",
    note = "implement `std::error::Error` for it with `Send` and `Sync`, or `From<…> for TaskError`"
)]
pub trait ErrorOfTask: Into<TaskError> {}

#[cfg(test)]
mod tests {
    use super::{FromBoxable as _, FromTaskError as _, TaskError, Thrown};

    struct Own;

    impl From<Own> for TaskError {
        fn from(_: Own) -> Self {
            TaskError::fail("converted by the user")
        }
    }

    #[test]
    fn every_usual_error_type_converts() {
        let own = (&mut &mut Thrown::new(TaskError::fail("own"))).into_task_error();
        assert!(own.is_final());
        let users = (&mut &mut Thrown::new(Own)).into_task_error();
        assert!(users.is_final());
        let text = (&mut &mut Thrown::new("text".to_owned())).into_task_error();
        assert_eq!(text.attempt_error().text, "text");
        let io = (&mut &mut Thrown::new(std::io::Error::other("io"))).into_task_error();
        assert_eq!(io.attempt_error().name, "std::io::error::Error");
        let boxed: Box<dyn std::error::Error + Send + Sync> = "boxed".into();
        let boxed = (&mut &mut Thrown::new(boxed)).into_task_error();
        assert_eq!(boxed.attempt_error().text, "boxed");
    }
}
