//! Tasks from closures, without the macro.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::{Codecs, Mechanism, Payload, Result};

use super::{Body, Encoder, Outcome, Task, TaskError, TaskSettings};
use crate::context::Context;

/// A task made from a closure by [`from_fn`] or [`from_blocking_fn`].
pub struct FnTask<A, T, F> {
    settings: TaskSettings,
    make: F,
    types: PhantomData<fn(A) -> T>,
}

impl<A, T, F> fmt::Debug for FnTask<A, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// Makes a task from an async closure over its arguments and the context.
///
/// Use `#[towpath::task]` where a function can be named; this where it cannot: closures that capture,
/// names known only at run time. Arguments are any serialisable type, a tuple for several.
///
/// ```
/// use towpath_runtime::{Context, TaskSettings, from_fn};
/// let add = from_fn(TaskSettings::new("add"), |(a, b): (i64, i64), _ctx: Context| async move {
///     a.checked_add(b).ok_or(towpath_runtime::TaskError::fail("too large"))
/// });
/// # let _ = add;
/// ```
pub fn from_fn<A, T, E, F, Fut>(
    settings: TaskSettings,
    handler: F,
) -> FnTask<A, T, impl Fn(A, Context) -> Body<T> + Send + Sync + 'static>
where
    F: Fn(A, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    E: Into<TaskError>,
{
    let make = move |args: A, ctx: Context| {
        let future = handler(args, ctx);
        Body::Async(Box::pin(async move {
            future.await.map(Outcome::Done).map_err(Into::into)
        }))
    };
    FnTask {
        settings,
        make,
        types: PhantomData,
    }
}

/// Makes a task from a closure that may block; it runs on a thread of its own.
pub fn from_blocking_fn<A, T, E, F>(
    settings: TaskSettings,
    handler: F,
) -> FnTask<A, T, impl Fn(A, Context) -> Body<T> + Send + Sync + 'static>
where
    A: Send + 'static,
    F: Fn(A, Context) -> Result<T, E> + Send + Sync + 'static,
    E: Into<TaskError>,
{
    let handler = std::sync::Arc::new(handler);
    let make = move |args: A, ctx: Context| {
        let handler = handler.clone();
        Body::Blocking(Box::new(move || {
            handler(args, ctx).map(Outcome::Done).map_err(Into::into)
        }))
    };
    FnTask {
        settings: settings.mechanism(Mechanism::Thread),
        make,
        types: PhantomData,
    }
}

impl<A, T, F> Task for FnTask<A, T, F>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(A, Context) -> Body<T> + Send + Sync + 'static,
{
    type Args = A;
    type Output = T;

    fn settings(&self) -> &TaskSettings {
        &self.settings
    }

    fn encode(&self, args: &A, encoder: &Encoder<'_>) -> Result<Payload> {
        encoder.encode(args)
    }

    fn decode(&self, payload: &Payload, codecs: &Codecs) -> Result<A> {
        codecs.decode(payload)
    }

    fn body(&self, args: A, ctx: Context) -> Body<T> {
        (self.make)(args, ctx)
    }
}
