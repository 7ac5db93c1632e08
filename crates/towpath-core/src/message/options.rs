//! How a message is to be run, and where it comes from.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Draft;
use crate::backoff::BackoffSettings;
use crate::ids::MessageId;
use crate::retry::Retries;

/// What a user attaches to a message, by name.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// How the body of a task is run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// On the async runtime: for bodies that wait.
    #[default]
    Async,
    /// On a thread of its own: for bodies that block or compute.
    Thread,
}

impl Mechanism {
    /// The mechanism as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Async => "async",
            Mechanism::Thread => "thread",
        }
    }
}

/// How long one attempt may take when neither task nor message says so.
pub const TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Everything of a message but what is run, where and when.
///
/// As JSON each field that has its default is left out, and durations are integer milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How long one attempt may take.
    #[serde(
        rename = "timeout_ms",
        with = "millis",
        skip_serializing_if = "is_timeout"
    )]
    pub timeout: Duration,
    /// How many retries it has.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: Retries,
    /// How long to wait before each retry; none stands for the default backoff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Arc<BackoffSettings>>,
    /// How its body is run.
    #[serde(skip_serializing_if = "is_default")]
    pub mechanism: Mechanism,
    /// What its producer attached.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// How long it is kept once it has succeeded, instead of the store's retention.
    #[serde(
        rename = "result_ttl_ms",
        with = "maybe_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub result_ttl: Option<Duration>,
    /// How long after its submit it may still start; then it is a dead letter.
    #[serde(
        rename = "expires_in_ms",
        with = "maybe_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_in: Option<Duration>,
    /// What is submitted in the step in which it succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<Box<Draft>>,
    /// The first message of its chain of callbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progenitor: Option<MessageId>,
    /// The message whose success submitted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<MessageId>,
    /// The finished message that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<MessageId>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            retries: Retries::default(),
            backoff: None,
            mechanism: Mechanism::default(),
            metadata: Metadata::new(),
            result_ttl: None,
            expires_in: None,
            callback: None,
            progenitor: None,
            previous: None,
            replay_of: None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_timeout(timeout: &Duration) -> bool {
    *timeout == TIMEOUT
}

/// Durations as integer milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

/// Durations that may be missing, as integer milliseconds.
pub(crate) mod maybe_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => super::millis::serialize(d, s),
            None => s.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(d)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_options_are_an_empty_object() {
        assert_eq!(serde_json::to_string(&Options::default()).unwrap(), "{}");
        assert_eq!(
            serde_json::from_str::<Options>("{}").unwrap(),
            Options::default()
        );
    }

    #[test]
    fn durations_are_integer_milliseconds() {
        let options = Options {
            timeout: Duration::from_secs(2),
            result_ttl: Some(Duration::from_millis(5)),
            retries: Retries::Unlimited,
            ..Options::default()
        };
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(
            text,
            r#"{"timeout_ms":2000,"retries":"unlimited","result_ttl_ms":5}"#
        );
        assert_eq!(serde_json::from_str::<Options>(&text).unwrap(), options);
    }
}
