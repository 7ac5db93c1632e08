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
use crate::deferrals::{Deferrals, Held, in_place};
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
    deferrals: Deferrals,
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
            deferrals: Deferrals::default(),
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

    /// Promises that a function is run at the end of this attempt, however it ends: well, with an error, by a panic, a
    /// timeout or a revocation. Should this process die first, the next worker that opens the same state directory runs
    /// it before it claims anything. Call it *before* what is to be cleaned up is made.
    ///
    /// The function is one that the state directory knows by `name`: its own process may be gone when it runs, so all
    /// that it needs is in `arguments`. It may be run twice, and is tried a few times if it fails. Functions are run in
    /// order, before the end of the attempt is settled, so a retry begins after them; their failures are reported and do
    /// not change how the attempt ends. For clean-up that may be skipped when the process dies, a `Drop` is enough.
    ///
    /// Works in every task, async or on a thread: it writes a line into a file before it returns, the first of an attempt
    /// also makes or picks up that file. Bodies on a thread that outlive their timeout have what they promised run
    /// when they return; from the timeout on they can promise nothing more. Nothing is run by a worker that was told to
    /// end at once: it is left to the next one. A [`Delivery`](crate::Delivery) has no scope; its program opens one by itself.
    ///
    /// Not promised: what the directory or the machine was lost with, what a worker on another machine left there, and
    /// what has failed its maximum of attempts.
    ///
    /// # Errors
    ///
    /// [`Kind::MissingData`] when the app was given no state directory ([`App::scopes`](crate::App::scopes)),
    /// [`Kind::Codec`] when the arguments are no JSON, [`Kind::WrongState`] once the attempt has ended, and what the
    /// state directory says: the name is not known, the disk is full. Nothing is promised then.
    ///
    /// # Panics
    ///
    /// Within a [`LocalSet`](tokio::task::LocalSet) of a runtime of several threads, as every call that blocks in place.
    pub fn defer(&self, name: &str, arguments: &(impl Serialize + ?Sized)) -> Result<()> {
        let Some(scopes) = &self.0.shared.scopes else {
            let text = format!(
                "cannot defer {name:?}: the app was given no state directory to write it down in; name one by \
                 App::scopes, or by towpath worker --state-dir"
            );
            return Err(Error::new(Kind::MissingData, text));
        };
        let arguments = serde_json::to_value(arguments).map_err(|e| {
            let text = format!("the arguments of {name:?} are no JSON: {e}");
            Error::new(Kind::Codec, text)
        })?;
        let token = self.token();
        in_place(|| self.0.deferrals.defer(&**scopes, token, name, arguments))
    }

    /// Whether [`defer`](Context::defer) has a state directory to write to.
    pub fn can_defer(&self) -> bool {
        self.0.shared.scopes.is_some()
    }

    pub(crate) fn deferrals(&self) -> &Deferrals {
        &self.0.deferrals
    }

    /// The part of a body on a thread in what the attempt promises, where it can promise anything.
    pub(crate) fn held(&self) -> Option<Held> {
        self.can_defer().then(|| Held::new(self.clone()))
    }

    /// Runs what was promised. Blocks.
    pub(crate) fn clean_up(&self) {
        let Some(scope) = self.0.deferrals.take() else {
            return;
        };
        let shared = &self.0.shared;
        let about = format!("cleaning up after attempt {}", self.token());
        match crate::panics::catch(|| scope.leave()) {
            Ok(cleaned) => crate::worker::tell(shared, &about, &cleaned),
            Err(panic) => shared.report(&Error::new(Kind::Failed, panic.to_string()).about(about)),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
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
