//! Values of a store as JSON that programs can rely on.

use serde_json::Value;
use serde_json::value::RawValue;
use towpath_core::{Codecs, Payload};

/// A payload as JSON: of the codec `json` as it is, of another known codec decoded, of an unknown one
/// as `{"codec", "base64"}`.
pub(crate) fn payload(payload: &Payload, codecs: &Codecs) -> Box<RawValue> {
    if *payload.codec() == *towpath_core::codec::JSON {
        // Not by way of `Value`, which would round large numbers.
        if let Some(raw) =
            compact(payload.bytes()).and_then(|text| RawValue::from_string(text).ok())
        {
            return raw;
        }
    } else if let Ok(raw) = codecs.decode::<Value>(payload).map(|value| raw(&value)) {
        return raw;
    }
    let encoded = serde_json::to_value(payload).unwrap_or_default();
    raw(&encoded["encoded"])
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("a value prints as JSON")
}

/// JSON text without the white space between its tokens, so that it stays on one line.
fn compact(json: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(json).ok()?;
    let mut compact = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        compact.push(c);
    }
    Some(compact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use towpath_core::CodecName;

    fn check(of: &Payload, expected: &str) {
        assert_eq!(payload(of, &Codecs::default()).get(), expected);
    }

    #[test]
    fn json_keeps_its_numbers_and_loses_its_line_breaks() {
        check(
            &Payload::json(
                "{\n  \"a\": 123456789012345678901234567890.5,\n  \"b c\": \"\\\" \"\n}",
            ),
            "{\"a\":123456789012345678901234567890.5,\"b c\":\"\\\" \"}",
        );
    }

    #[test]
    fn other_codecs_are_decoded_if_they_are_known() {
        let name = |name| CodecName::new(name).unwrap();
        check(&Payload::new(name("msgpack"), vec![0x92, 1, 2]), "[1,2]");
        check(
            &Payload::new(name("pickle"), vec![1, 2]),
            r#"{"base64":"AQI=","codec":"pickle"}"#,
        );
        check(&Payload::json("{"), r#"{"base64":"ew==","codec":"json"}"#);
    }
}
