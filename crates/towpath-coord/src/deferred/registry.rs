//! Functions by name: what is written down is a name and data, never code.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use towpath_core::{Error, Kind, Result};

/// The longest name of a function, in bytes.
pub const NAME_MAX: usize = 128;

/// How deep arguments may be nested: a reader of JSON goes down to 127, and a line has some levels around them.
const DEPTH_MAX: usize = 100;

/// Whether a value has more levels than that.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, below)),
        Value::Object(fields) => fields.values().any(|field| is_deeper(field, below)),
        _ => false,
    }
}

/// What a function is told of the call it is made by.
#[derive(Debug, Clone)]
pub struct Call {
    id: String,
    attempt: u32,
    cancelled: Arc<AtomicBool>,
}

impl Call {
    pub(crate) fn new(id: String, attempt: u32) -> Self {
        Self {
            id,
            attempt,
            cancelled: Arc::default(),
        }
    }

    /// Which registration it is: the same text in every attempt, and no other registration's. With it a function
    /// can see that it has been here before.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which attempt this is, from 1. An earlier one may have come to its end without being able to say so.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether the time for this call is up. A long function looks from time to time and returns.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }
}

pub(crate) type Function = Arc<dyn Fn(&Call, &Value) -> Result<(), String> + Send + Sync>;

/// The functions that a program knows by name.
///
/// A name means the same in every program that shares a directory. Where the arguments change their meaning, take a new
/// name: a program that does not know it leaves the record for one that does.
///
/// # Examples
///
/// ```
/// use towpath_coord::deferred::Registry;
///
/// let mut registry = Registry::new();
/// registry.add("say", |_call, word: String| {
///     println!("{word}");
///     Ok::<(), String>(())
/// })?;
/// assert!(registry.knows("say"));
/// # Ok::<(), towpath_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    functions: BTreeMap<String, Function>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}

impl Registry {
    /// One that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. It may be run more than once for one registration, and in another process than the one that
    /// asked for it: everything it needs is in its arguments.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] for a name that is empty, longer than [`NAME_MAX`] or has other characters than letters, digits
    /// and `._:@-`; [`Kind::TaskNameCollision`] for one that is taken.
    pub fn add<A, E, F>(&mut self, name: &str, function: F) -> Result<()>
    where
        A: DeserializeOwned,
        E: fmt::Display,
        F: Fn(&Call, A) -> std::result::Result<(), E> + Send + Sync + 'static,
    {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fit) {
            let text = format!(
                "the name {name:?} of a deferred function is not 1 to {NAME_MAX} letters, digits and ._:@-"
            );
            return Err(Error::invalid(text));
        }
        if self.knows(name) {
            let text = format!("there are two deferred functions of the name {name}");
            return Err(Error::new(Kind::TaskNameCollision, text));
        }
        let function = move |call: &Call, value: &Value| {
            let arguments = A::deserialize(value)
                .map_err(|error| format!("its arguments cannot be read: {error}"))?;
            function(call, arguments).map_err(|error| error.to_string())
        };
        self.functions.insert(name.to_owned(), Arc::new(function));
        Ok(())
    }

    /// Whether there is a function of that name.
    pub fn knows(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Function> {
        self.functions.get(name).cloned()
    }

    /// The arguments of a call to be written down.
    pub(crate) fn encode<A: Serialize + ?Sized>(&self, name: &str, arguments: &A) -> Result<Value> {
        if !self.knows(name) {
            let text = format!(
                "there is no deferred function of the name {name:?}; add it to the registry first"
            );
            return Err(Error::invalid(text));
        }
        let value = serde_json::to_value(arguments).map_err(|error| {
            let text = format!("the arguments of {name} cannot be written as JSON: {error}");
            Error::new(Kind::Codec, text)
        })?;
        if is_deeper(&value, DEPTH_MAX) {
            let text = format!(
                "the arguments of {name} are nested more than {DEPTH_MAX} deep, and could not be read again"
            );
            return Err(Error::new(Kind::Codec, text));
        }
        Ok(value)
    }
}
