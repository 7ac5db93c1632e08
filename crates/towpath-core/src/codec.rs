//! Codecs: how values become bytes, by name.
//!
//! A payload carries the name of its codec, and a reader looks that name up among the codecs it was
//! given: nothing read from a store chooses code except such a registered name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};
use crate::limits::NESTING;
use crate::name::CodecName;
use crate::payload::Payload;

/// The name of the JSON codec.
pub static JSON: LazyLock<CodecName> =
    LazyLock::new(|| CodecName::new("json").expect("a constant name"));
/// The name of the MessagePack codec.
pub static MESSAGE_PACK: LazyLock<CodecName> =
    LazyLock::new(|| CodecName::new("msgpack").expect("a constant name"));

/// Turns values into bytes and back.
///
/// Implement it for a format of your own and hand it to the app. The name is stored with every
/// payload: never reuse one for another format.
///
/// # Contract
///
/// `decode` must call `visit` exactly once, with a deserializer over `bytes`, and must refuse bytes
/// that follow the value. It reads what anybody may have written into the store: bound what you
/// allocate and how deep you recurse.
pub trait Codec: Send + Sync + 'static {
    /// The name under which payloads of this codec are stored.
    fn name(&self) -> &CodecName;

    /// Encodes `value`.
    ///
    /// # Errors
    ///
    /// The format's own error, when the value cannot be expressed in it.
    fn encode(&self, value: &dyn erased_serde::Serialize) -> erased_serde::Result<Vec<u8>>;

    /// Hands `visit` a deserializer over `bytes`.
    ///
    /// # Errors
    ///
    /// The format's own error, or the one that `visit` gave.
    fn decode(&self, bytes: &[u8], visit: &mut Visit<'_>) -> erased_serde::Result<()>;
}

/// What [`Codec::decode`] calls with its deserializer.
pub type Visit<'a> =
    dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> erased_serde::Result<()> + 'a;

/// JSON by `serde_json`: the default, readable in every tool.
struct Json;

impl Codec for Json {
    fn name(&self) -> &CodecName {
        &JSON
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> erased_serde::Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(serde::ser::Error::custom)
    }

    fn decode(&self, bytes: &[u8], visit: &mut Visit<'_>) -> erased_serde::Result<()> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
        json.end().map_err(serde::de::Error::custom)
    }
}

/// MessagePack by `rmp-serde`: about a third smaller for numbers, exact for bytes.
struct MessagePack;

impl Codec for MessagePack {
    fn name(&self) -> &CodecName {
        &MESSAGE_PACK
    }

    fn encode(&self, value: &dyn erased_serde::Serialize) -> erased_serde::Result<Vec<u8>> {
        rmp_serde::to_vec_named(value).map_err(serde::ser::Error::custom)
    }

    fn decode(&self, bytes: &[u8], visit: &mut Visit<'_>) -> erased_serde::Result<()> {
        let mut reader = bytes;
        let mut unpacker = rmp_serde::Deserializer::new(&mut reader);
        unpacker.set_max_depth(NESTING);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(
            &mut unpacker,
        ))?;
        if reader.is_empty() {
            Ok(())
        } else {
            Err(serde::de::Error::custom(format!(
                "{} bytes follow the value",
                reader.len()
            )))
        }
    }
}

/// The codecs that an app knows, by name. JSON and MessagePack are always among them.
#[derive(Clone)]
pub struct Codecs(BTreeMap<CodecName, Arc<dyn Codec>>);

impl Default for Codecs {
    fn default() -> Self {
        let built_in: [Arc<dyn Codec>; 2] = [Arc::new(Json), Arc::new(MessagePack)];
        Self(
            built_in
                .into_iter()
                .map(|codec| (codec.name().clone(), codec))
                .collect(),
        )
    }
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Codecs {
    /// Adds a codec of the user's own.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] when a codec of that name is already there.
    pub fn register(&mut self, codec: Arc<dyn Codec>) -> Result<()> {
        let name = codec.name().clone();
        if self.0.contains_key(&name) {
            return Err(Error::invalid(format!(
                "codec {name:?} is already registered"
            )));
        }
        self.0.insert(name, codec);
        Ok(())
    }

    /// The codec of that name.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when none was registered under it.
    pub fn get(&self, name: &CodecName) -> Result<&dyn Codec> {
        self.0.get(name).map(|codec| &**codec).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(CodecName::as_str).collect();
            let known = known.join(", ");
            Error::new(
                Kind::Codec,
                format!("codec {name:?} is not registered (known: {known}); add it to the app"),
            )
        })
    }

    /// Encodes `value` by the codec named `codec`.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when the codec is not registered, the value cannot be expressed in it, or it
    /// nests deeper than 128.
    pub fn encode<T: Serialize + ?Sized>(&self, codec: &CodecName, value: &T) -> Result<Payload> {
        // JSON is what nearly every message uses: it goes without the detour over trait objects.
        let bytes = if *codec == *JSON {
            crate::pack::write(|writer| serde_json::to_writer(writer, value))
                .map_err(|e| encode_error(codec, e))?
        } else {
            let bytes = self.get(codec)?.encode(&value);
            bytes.map_err(|e| encode_error(codec, e))?.into()
        };
        let payload = Payload::new(codec.clone(), bytes);
        check_nesting(&payload)?;
        Ok(payload)
    }

    /// Decodes a payload by the codec that it names.
    ///
    /// # Errors
    ///
    /// [`Kind::Codec`] when the codec is not registered or the bytes are not a `T` in it.
    pub fn decode<T: DeserializeOwned>(&self, payload: &Payload) -> Result<T> {
        if *payload.codec() == *JSON {
            return serde_json::from_slice(payload.bytes())
                .map_err(|e| decode_error(payload.codec(), e));
        }
        let mut value = None;
        self.get(payload.codec())?
            .decode(payload.bytes(), &mut |deserializer| {
                value = Some(erased_serde::deserialize::<T>(deserializer)?);
                Ok(())
            })
            .map_err(|e| decode_error(payload.codec(), e))?;
        value.ok_or_else(|| decode_error(payload.codec(), "the codec read no value"))
    }
}

fn encode_error(codec: &CodecName, cause: impl fmt::Display) -> Error {
    Error::new(
        Kind::Codec,
        format!("the value cannot be encoded as {codec}: {cause}"),
    )
}

fn decode_error(codec: &CodecName, cause: impl fmt::Display) -> Error {
    Error::new(
        Kind::Codec,
        format!("the payload cannot be read as {codec}: {cause}"),
    )
}

/// Refuses JSON and MessagePack that nests deeper than any reader of ours will follow.
///
/// Payloads of other codecs are theirs to bound.
///
/// # Errors
///
/// [`Kind::Invalid`] when the value nests deeper than 128.
pub fn check_nesting(payload: &Payload) -> Result<()> {
    let too_deep = if *payload.codec() == *JSON {
        // Nearly every payload has fewer brackets in all, and counting them is ten times as fast.
        brackets(payload.bytes()) > NESTING && json_depth(payload.bytes()) > NESTING
    } else if *payload.codec() == *MESSAGE_PACK {
        let mut unpacker = rmp_serde::Deserializer::new(&payload.bytes()[..]);
        unpacker.set_max_depth(NESTING + 1);
        matches!(
            serde::Deserialize::deserialize(&mut unpacker),
            Err::<serde::de::IgnoredAny, _>(rmp_serde::decode::Error::DepthLimitExceeded)
        )
    } else {
        false
    };
    if too_deep {
        return Err(Error::invalid(format!(
            "the payload nests deeper than {NESTING} levels"
        )));
    }
    Ok(())
}

/// How many brackets open, those in strings included: no value nests deeper than that.
fn brackets(json: &[u8]) -> usize {
    // Counted in bytes for as long as that cannot overflow: so the compiler takes many at once.
    let in_part = |part: &[u8]| {
        let opens = part
            .iter()
            .map(|byte| u8::from(matches!(byte, b'[' | b'{')));
        usize::from(opens.sum::<u8>())
    };
    json.chunks(usize::from(u8::MAX)).map(in_part).sum()
}

/// The greatest number of brackets open at once, strings left aside. One pass, no allocation.
fn json_depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        [vec![b'['; levels], vec![b']'; levels]].concat()
    }

    #[test]
    fn both_built_in_codecs_read_back_what_they_wrote() {
        let codecs = Codecs::default();
        let value = (1_i64, "two".to_owned(), vec![3.5, -0.0], None::<bool>);
        for codec in [&*JSON, &*MESSAGE_PACK] {
            let payload = codecs.encode(codec, &value).unwrap();
            assert_eq!(
                codecs
                    .decode::<(i64, String, Vec<f64>, Option<bool>)>(&payload)
                    .unwrap(),
                value
            );
        }
    }

    #[test]
    fn floats_read_back_to_the_last_bit() {
        let codecs = Codecs::default();
        for number in [1.5e200, 5e-324, f64::MAX, 0.1 + 0.2, -0.0] {
            for codec in [&*JSON, &*MESSAGE_PACK] {
                let payload = codecs.encode(codec, &number).unwrap();
                let read: f64 = codecs.decode(&payload).unwrap();
                assert_eq!(read.to_bits(), number.to_bits(), "{codec}: {number:e}");
            }
        }
    }

    #[test]
    fn an_unregistered_codec_is_named_with_the_known_ones() {
        let codec = CodecName::new("pickle").unwrap();
        let error = Codecs::default().encode(&codec, &1).unwrap_err();
        assert_eq!(error.kind(), Kind::Codec);
        assert!(
            error
                .to_string()
                .contains("\"pickle\" is not registered (known: json, msgpack)")
        );
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        let codecs = Codecs::default();
        assert!(codecs.decode::<i32>(&Payload::json("1 2")).is_err());
        let two = Payload::new(MESSAGE_PACK.clone(), vec![1, 2]);
        assert!(codecs.decode::<i32>(&two).is_err());
    }

    #[test]
    fn nesting_is_bounded_in_both_codecs_and_brackets_in_strings_do_not_count() {
        assert!(check_nesting(&Payload::json(nested(128))).is_ok());
        assert!(check_nesting(&Payload::json(nested(129))).is_err());
        let in_string = format!("\"{}\"", "[\\\"".repeat(200));
        assert!(check_nesting(&Payload::json(in_string)).is_ok());
        let arrays = |levels: usize| {
            Payload::new(MESSAGE_PACK.clone(), [vec![0x91; levels], vec![1]].concat())
        };
        assert!(check_nesting(&arrays(100)).is_ok());
        assert!(check_nesting(&arrays(200)).is_err());
    }

    struct Shout(CodecName);

    impl Codec for Shout {
        fn name(&self) -> &CodecName {
            &self.0
        }
        fn encode(&self, value: &dyn erased_serde::Serialize) -> erased_serde::Result<Vec<u8>> {
            let text = serde_json::to_string(value).map_err(serde::ser::Error::custom)?;
            Ok(text.to_uppercase().into_bytes())
        }
        fn decode(&self, bytes: &[u8], visit: &mut Visit<'_>) -> erased_serde::Result<()> {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            let mut json = serde_json::Deserializer::from_str(&text);
            visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))
        }
    }

    #[test]
    fn a_codec_of_the_users_own_serves_like_the_built_in_ones() {
        let name = CodecName::new("shout").unwrap();
        let mut codecs = Codecs::default();
        codecs.register(Arc::new(Shout(name.clone()))).unwrap();
        let payload = codecs.encode(&name, "hello").unwrap();
        assert_eq!(&payload.bytes()[..], b"\"HELLO\"");
        assert_eq!(codecs.decode::<String>(&payload).unwrap(), "hello");
        assert!(codecs.register(Arc::new(Shout(name))).is_err());
    }
}
