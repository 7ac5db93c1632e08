//! Ids of messages and workers, and the token that fences an attempt.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};

/// The id of one message.
///
/// A fresh id is a UUID of version 7: ids made later sort later, which keeps a store's index dense.
/// The order of ids is never the order of the queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(Uuid);

/// Separates ids made from text from the version 5 UUIDs of other programs.
const TEXT_IDS: Uuid = Uuid::from_u128(0x0cf2_6c3a_9f0e_4b5d_8f55_70d1_7ab4_3c21);

impl MessageId {
    /// Makes a fresh id.
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> Self {
        Self(crate::fresh::uuid())
    }

    /// Derives an id from any text: the idempotency key of a message.
    ///
    /// The same text always gives the same id, so a second submit of it is refused as
    /// [`Kind::AlreadyExists`](crate::Kind::AlreadyExists) for as long as the first message is kept.
    ///
    /// ```
    /// use towpath_core::MessageId;
    /// assert_eq!(MessageId::from_text("order-17"), MessageId::from_text("order-17"));
    /// assert_ne!(MessageId::from_text("order-17"), MessageId::from_text("order-18"));
    /// ```
    pub fn from_text(text: &str) -> Self {
        Self(Uuid::new_v5(&TEXT_IDS, text.as_bytes()))
    }

    /// The id's 16 bytes, as stores keep them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl From<Uuid> for MessageId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::parse_str(text).map(Self).map_err(|_| {
            Error::invalid(format!(
                "{text:?} is not a message id (a UUID of 36 characters)"
            ))
        })
    }
}

/// The id of one life of a worker: fresh at its start, and again after it lost its lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncarnationId(Uuid);

impl IncarnationId {
    /// Makes a fresh id.
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> Self {
        Self(crate::fresh::uuid())
    }

    /// The id's 16 bytes, as stores keep them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id of these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for IncarnationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for IncarnationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Proof of one claim of one message: its id and how often it has been claimed.
///
/// The number grows with every claim of that message and never goes down, so of two tokens of one
/// message the greater is the newer. Hand it to systems that you write to, and let them refuse a
/// smaller one: then a worker that was frozen cannot undo what its successor did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// The message.
    pub id: MessageId,
    /// How often it has been claimed, this claim included.
    pub claims: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.id, self.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        let id = MessageId::new();
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert_eq!(MessageId::from_bytes(*id.as_bytes()), id);
        assert!("order-17".parse::<MessageId>().is_err());
    }

    #[test]
    fn ids_made_later_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| MessageId::new()).collect();
        assert!(ids.is_sorted());
    }
}
