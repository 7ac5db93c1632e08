//! A value on its way: bytes, and the name of the codec that reads them.

use base64::Engine as _;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::JSON;
use crate::name::CodecName;

/// One encoded value with the name of its codec: the arguments of a message, or a result.
///
/// Cloning is cheap: the bytes are shared, never copied.
///
/// Inside JSON (`--json`, callbacks) a payload of the codec `json` stands as the value itself, any
/// other as `{"codec": …, "base64": …}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    codec: CodecName,
    bytes: Bytes,
}

impl Payload {
    /// A payload of bytes that were already encoded by `codec`.
    pub fn new(codec: CodecName, bytes: impl Into<Bytes>) -> Self {
        Self {
            codec,
            bytes: bytes.into(),
        }
    }

    /// The payload whose codec is JSON and whose text is `json`, taken as it is.
    pub fn json(json: impl Into<Bytes>) -> Self {
        Self {
            codec: JSON.clone(),
            bytes: json.into(),
        }
    }

    /// The name of the codec that reads it.
    pub fn codec(&self) -> &CodecName {
        &self.codec
    }

    /// The encoded value.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The size of the encoded value in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the encoded value has no bytes at all (which is not valid JSON).
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    codec: CodecName,
    base64: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default, deserialize_with = "present")]
    payload: Option<Box<serde_json::value::RawValue>>,
    encoded: Option<Encoded>,
}

/// A value that is there, be it `null`: that is the payload of `()` and of `None`.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<serde_json::value::RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
enum Shown<'a> {
    #[serde(rename = "payload")]
    Json(&'a serde_json::value::RawValue),
    #[serde(rename = "encoded")]
    Encoded(Encoded),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = (self.codec == *JSON)
            .then(|| serde_json::from_slice::<&serde_json::value::RawValue>(&self.bytes).ok())
            .flatten();
        match json {
            Some(raw) => Shown::Json(raw).serialize(serializer),
            None => Shown::Encoded(Encoded {
                codec: self.codec.clone(),
                base64: base64::engine::general_purpose::STANDARD.encode(&self.bytes),
            })
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        match (stored.payload, stored.encoded) {
            (Some(raw), None) => Ok(Self::json(raw.get().as_bytes().to_vec())),
            (None, Some(Encoded { codec, base64 })) => {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(base64)
                    .map_err(D::Error::custom)?;
                Ok(Self::new(codec, bytes))
            }
            _ => Err(D::Error::custom(
                "a payload has either `payload` or `encoded`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(payload: &Payload) -> String {
        let text = serde_json::to_string(payload).unwrap();
        assert_eq!(&serde_json::from_str::<Payload>(&text).unwrap(), payload);
        text
    }

    #[test]
    fn json_payloads_stand_as_values_and_others_as_base64() {
        assert_eq!(round_trip(&Payload::json("[1,2]")), r#"{"payload":[1,2]}"#);
        let binary = Payload::new(CodecName::new("msgpack").unwrap(), vec![0x92, 1, 2]);
        let text = round_trip(&binary);
        assert_eq!(text, r#"{"encoded":{"codec":"msgpack","base64":"kgEC"}}"#);
    }

    #[test]
    fn a_payload_that_is_null_survives() {
        assert_eq!(round_trip(&Payload::json("null")), r#"{"payload":null}"#);
        assert!(serde_json::from_str::<Payload>(r#"{"encoded":null}"#).is_err());
    }

    #[test]
    fn bytes_that_are_not_json_survive_all_the_same() {
        round_trip(&Payload::json(&b"\xff{"[..]));
        assert!(serde_json::from_str::<Payload>("{}").is_err());
    }
}
