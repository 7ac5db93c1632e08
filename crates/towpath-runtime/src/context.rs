//! What the body of a task may ask for while it runs.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::store::Note;
use towpath_core::{
    Error, IncarnationId, Kind, Message, MessageId, Payload, Result, Timestamp, Token, limits,
};

use crate::app::Shared;
use crate::broker::Broker;
use crate::cancel::Cancellation;
use crate::data::Data;
use crate::locks::{Linked, Links, LockGuard};
use crate::task::TaskError;

/// What the body of a task may ask for: its message, shared data, progress, cancellation.
///
/// Take it as a parameter of the handler. Cloning is cheap; all clones belong to the same attempt.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    message: Message,
    incarnation: IncarnationId,
    started_at: Timestamp,
    cancellation: Cancellation,
    shared: Arc<Shared>,
    extensions: Mutex<Extensions>,
    linked: Linked,
}

type Extensions = HashMap<TypeId, Box<dyn Any + Send>>;

impl Context {
    pub(crate) fn new(
        message: Message,
        incarnation: IncarnationId,
        cancellation: Cancellation,
        shared: Arc<Shared>,
    ) -> Self {
        let started_at = shared.clock.now();
        let extensions = Mutex::default();
        Self(Arc::new(Inner {
            message,
            incarnation,
            started_at,
            cancellation,
            shared,
            extensions,
            linked: Linked::default(),
        }))
    }

    /// The message that is being run.
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    /// The id of the message.
    pub fn id(&self) -> MessageId {
        self.0.message.draft.id
    }

    /// Proof of this claim of the message. Hand it to what you write to, and let that refuse a
    /// smaller one: then a worker that was frozen cannot undo what its successor did.
    pub fn token(&self) -> Token {
        self.0.message.token()
    }

    /// How many retries were spent before this attempt; 0 at first.
    pub fn retries(&self) -> u32 {
        self.0.message.counters.retries
    }

    /// When this attempt started, on the worker's clock.
    pub fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// Tells when the attempt is called off.
    pub fn cancellation(&self) -> &Cancellation {
        &self.0.cancellation
    }

    /// The broker of the app, to submit further messages.
    pub fn broker(&self) -> Broker {
        Broker::of(self.0.shared.clone())
    }

    /// The app's shared data of type `T`.
    ///
    /// # Errors
    ///
    /// When the app was given no `T`. The macro asks for it at start-up, so a task that takes a
    /// `Data<T>` as a parameter never sees this.
    pub fn data<T: Send + Sync + 'static>(&self) -> Result<Data<T>, TaskError> {
        self.0.shared.data.get().ok_or_else(|| {
            let name = type_name::<T>();
            Error::new(
                Kind::MissingData,
                format!("the app was given no data of type {name}"),
            )
            .into()
        })
    }

    /// The result of the message whose success submitted this one; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when it is not a `T`.
    pub fn previous_result<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let previous = self.0.message.draft.previous_result.as_ref();
        previous
            .map(|payload| self.0.shared.codecs.decode(payload))
            .transpose()
    }

    /// Tells readers how far the attempt has come. Each call replaces the details before it.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] over 64 KiB, [`Kind::LeaseLost`] when the attempt no longer holds its
    /// message, and what the store says.
    pub async fn progress(&self, details: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(details)
            .map_err(|e| Error::new(Kind::Codec, format!("the details are no JSON: {e}")))?;
        check_scratch(
            "details",
            serde_json::to_vec(&value).map_or(usize::MAX, |json| json.len()),
        )?;
        self.note(Note::Details(value)).await
    }

    /// Saves a value for the next attempt of this message, should this one not end well. It survives
    /// retries and the death of the worker; each call replaces the value before it.
    ///
    /// # Errors
    ///
    /// As [`progress`](Context::progress).
    pub async fn save(&self, value: impl Serialize) -> Result<()> {
        let codec = self.0.message.draft.payload.codec();
        let payload = self.0.shared.codecs.encode(codec, &value)?;
        check_scratch("saved value", payload.len())?;
        self.note(Note::Saved(payload)).await
    }

    /// What an earlier attempt of this message saved.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when it is not a `T`.
    pub fn saved<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let saved = self.0.message.saved.as_ref();
        saved
            .map(|payload| self.0.shared.codecs.decode(payload))
            .transpose()
    }

    /// Has a lock end with this attempt: it is renewed while the attempt runs, and released in the same
    /// step in which the store accepts the attempt's end, whatever that is. So nobody else can take the
    /// lock before what the attempt did is settled. Should the worker die, it ends with its ttl.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] for more than 16 locks, [`Kind::WrongState`] once the attempt has ended. The lock
    /// is released then.
    pub fn link_lock(&self, guard: LockGuard) -> Result<()> {
        self.0.linked.add(guard)
    }

    /// The locks that end with the attempt, which has ended.
    pub(crate) fn take_links(&self) -> Links {
        self.0.linked.take()
    }

    async fn note(&self, note: Note) -> Result<()> {
        self.0
            .shared
            .store
            .note(self.0.incarnation, self.token(), note)
            .await
    }

    /// Keeps a value for the rest of this attempt, for hooks; never stored. A value of
    /// the same type is replaced and given back.
    pub fn insert<T: Send + 'static>(&self, value: T) -> Option<T> {
        let previous = self
            .extensions()
            .insert(TypeId::of::<T>(), Box::new(value))?;
        previous.downcast().ok().map(|value| *value)
    }

    /// Takes back what [`insert`](Context::insert) kept.
    pub fn take<T: Send + 'static>(&self) -> Option<T> {
        self.extensions()
            .remove(&TypeId::of::<T>())?
            .downcast()
            .ok()
            .map(|value| *value)
    }

    fn extensions(&self) -> std::sync::MutexGuard<'_, Extensions> {
        // A panic while the map is held leaves it whole: single insertions and removals.
        self.0
            .extensions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn encode_output<T: Serialize>(&self, output: &T) -> Result<Payload> {
        self.0
            .shared
            .codecs
            .encode(self.0.message.draft.payload.codec(), output)
    }
}

fn check_scratch(what: &str, size: usize) -> Result<()> {
    let limit = limits::SCRATCH_BYTES;
    if size > limit {
        return Err(Error::invalid(format!(
            "the {what} has {size} bytes, the limit is {limit}"
        )));
    }
    Ok(())
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("token", &self.token())
            .finish_non_exhaustive()
    }
}
