//! Names that were checked once: queues, tasks, namespaces, codecs, locks, keys.
//!
//! A name is any UTF-8 text of 1 to 255 bytes without control characters. Names match exactly, never
//! by prefix or pattern, so `:`, `*`, quotes and spaces have no special meaning anywhere.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits::NAME_BYTES;

fn check(what: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(format!(
            "{what} name is empty; give it 1 to {NAME_BYTES} bytes"
        )));
    }
    if name.len() > NAME_BYTES {
        let len = name.len();
        return Err(Error::invalid(format!(
            "{what} name has {len} bytes, the limit is {NAME_BYTES}"
        )));
    }
    if let Some(bad) = name.chars().find(|c| c.is_control()) {
        return Err(Error::invalid(format!(
            "{what} name {name:?} contains the control character {bad:?}; use printable characters"
        )));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks `name` and keeps it.
            ///
            /// # Errors
            ///
            /// [`Kind::Invalid`](crate::Kind::Invalid) when `name` is empty, longer than 255 bytes or
            /// contains a control character.
            pub fn new(name: impl AsRef<str>) -> Result<Self> {
                let name = name.as_ref();
                check($what, name)?;
                Ok(Self(name.into()))
            }

            /// The name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(name: String) -> Result<Self> {
                Self::new(name)
            }
        }

        impl TryFrom<&str> for $type {
            type Error = Error;
            fn try_from(name: &str) -> Result<Self> {
                Self::new(name)
            }
        }

        impl std::str::FromStr for $type {
            type Err = Error;
            fn from_str(name: &str) -> Result<Self> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a queue: a line of messages that workers listen to.
    QueueName, "queue"
);
name!(
    /// The name of a task: what can be run.
    TaskName, "task"
);
name!(
    /// The name of one application's part of a store.
    Namespace, "namespace"
);
name!(
    /// The name of a codec, stored beside every payload.
    CodecName, "codec"
);

name!(
    /// The name of a lock.
    LockName, "lock"
);
name!(
    /// Who holds a lock, or wants to: a host, a process, a thread or any other name.
    LockOwner, "lock owner"
);
name!(
    /// The name of a part of the values of a namespace.
    BucketName, "bucket"
);
name!(
    /// The name of a value, of a sorted set or of a member of one.
    Key, "key"
);
name!(
    /// The name of a channel: what is published there is heard by those who listen to it.
    ChannelName, "channel"
);

/// The queue of tasks that name none.
pub const DEFAULT_QUEUE: &str = "default";
/// The namespace of URLs that name none.
pub const DEFAULT_NAMESPACE: &str = "towpath";

impl Default for QueueName {
    fn default() -> Self {
        Self(DEFAULT_QUEUE.into())
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT_NAMESPACE.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_1_to_255_bytes_without_control_characters() {
        let refused = ["", "a\nb", "a\0b", "\u{7f}", "\u{85}"];
        for name in refused {
            assert!(QueueName::new(name).is_err(), "{name:?} was accepted");
        }
        assert!(QueueName::new("x".repeat(255)).is_ok());
        assert!(QueueName::new("x".repeat(256)).is_err());
        for name in [
            "q",
            "q:2",
            "a*b?",
            "ünïcode 名",
            "'; DROP TABLE message; --",
        ] {
            assert_eq!(QueueName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn the_error_names_the_thing_and_the_limit() {
        let error = TaskName::new("y".repeat(300)).unwrap_err().to_string();
        assert_eq!(error, "task name has 300 bytes, the limit is 255");
    }

    #[test]
    fn a_bad_name_in_json_is_refused_too() {
        assert!(serde_json::from_str::<QueueName>("\"\"").is_err());
    }
}
