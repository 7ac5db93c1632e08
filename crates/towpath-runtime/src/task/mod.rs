//! What can be run: the [`Task`] trait, its settings, and what a handler gives back.

mod convert;
mod error;
mod function;
mod hook;
mod needs;
mod outcome;
mod policy;
mod settings;

pub use convert::{ErrorOfTask, FromBoxable, FromOther, FromTaskError, Thrown};
pub(crate) use error::Next;
pub use error::TaskError;
pub use function::{FnTask, from_blocking_fn, from_fn};
pub(crate) use hook::run_hook;
pub use needs::Needs;
pub use outcome::Outcome;
pub(crate) use policy::ErasedPolicy;
pub use policy::Policy;
pub use settings::TaskSettings;

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::codec::JSON;
use towpath_core::{CodecName, Codecs, Draft, Payload, Result};

use crate::context::Context;

/// What can be run: a name, its settings, and a body.
///
/// `#[towpath::task]` writes this for a function, [`from_fn`] for a closure; implement it by hand
/// only where neither will do. Use it through [`Broker::submit_to`](crate::Broker::submit_to) and
/// [`App::task`](crate::App::task).
pub trait Task: Send + Sync + 'static {
    /// The arguments as a tuple: `()` for none, `(T,)` for one.
    type Args: Send + 'static;
    /// What a run gives.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Its name and its defaults: the same whenever it is asked, once per registration and once per submit.
    fn settings(&self) -> &TaskSettings;

    /// Writes arguments as a payload.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when they cannot be expressed in the codec.
    fn encode(&self, args: &Self::Args, encoder: &Encoder<'_>) -> Result<Payload>;

    /// Reads arguments from a payload: an array holds them in order, an object by name.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when the payload does not hold them.
    fn decode(&self, payload: &Payload, codecs: &Codecs) -> Result<Self::Args>;

    /// Names the shared data that the body will ask for, so that a worker without it does not start.
    fn requires(&self, needs: &mut Needs) {
        let _ = needs;
    }

    /// The body of one attempt.
    fn body(&self, args: Self::Args, ctx: Context) -> Body<Self::Output>;
}

/// What a body gives in the end.
pub type BodyResult<T> = Result<Outcome<T>, TaskError>;

/// The body of one attempt, not yet run.
pub enum Body<T> {
    /// A future, run on the async runtime (or blocked on by a thread, as the settings say).
    Async(Pin<Box<dyn Future<Output = BodyResult<T>> + Send>>),
    /// A function that may block, run on a thread of its own.
    Blocking(Box<dyn FnOnce() -> BodyResult<T> + Send>),
}

impl<T: 'static> Body<T> {
    /// The same body with its end passed through `f`.
    pub(crate) fn map<U>(
        self,
        f: impl FnOnce(BodyResult<T>) -> BodyResult<U> + Send + 'static,
    ) -> Body<U> {
        match self {
            Body::Async(future) => Body::Async(Box::pin(async move { f(future.await) })),
            Body::Blocking(call) => Body::Blocking(Box::new(move || f(call()))),
        }
    }
}

/// Writes values in the codec that was chosen for a message.
#[derive(Debug)]
pub struct Encoder<'a> {
    pub(crate) codecs: &'a Codecs,
    pub(crate) codec: &'a CodecName,
}

impl Encoder<'_> {
    /// Writes one value.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`](towpath_core::Kind::Codec) when the codec is not registered or cannot express it.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Payload> {
        self.codecs.encode(self.codec, value)
    }
}

/// Builds the draft of `task` with JSON arguments and the task's defaults.
///
/// # Errors
///
/// [`Kind::Codec`](towpath_core::Kind::Codec) when the arguments cannot be encoded,
/// [`Kind::Invalid`](towpath_core::Kind::Invalid) when a setting of the task is out of its limits.
pub fn draft_of<T: Task>(task: &T, args: &T::Args) -> Result<Draft> {
    draft_with(task, args, &Codecs::default())
}

/// As [`draft_of`], with the codecs of an app.
pub(crate) fn draft_with<T: Task>(task: &T, args: &T::Args, codecs: &Codecs) -> Result<Draft> {
    let settings = task.settings();
    let encoder = Encoder {
        codecs,
        codec: settings.codec.as_ref().unwrap_or(&JSON),
    };
    settings.draft(task.encode(args, &encoder)?)
}
