//! Payloads: hostile bytes are read or refused, and what was read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use towpath_core::codec::{self, JSON, MESSAGE_PACK};
use towpath_core::{Codecs, Payload};

fuzz_target!(|bytes: &[u8]| {
    let codecs = Codecs::default();
    for name in [&*JSON, &*MESSAGE_PACK] {
        let payload = Payload::new(name.clone(), bytes.to_vec());
        let bounded = codec::check_nesting(&payload).is_ok();
        typed(&codecs, &payload);
        if let Ok(value) = codecs.decode::<Value>(&payload) {
            assert!(
                depth(&value) <= 128,
                "deeper than any reader of ours follows"
            );
            again(&codecs, &value);
            let _shown = format!("{value}");
        } else if !bounded {
            continue;
        }
        in_json(&payload);
    }
});

/// Other shapes than a tree of values, each with a reader of its own.
fn typed(codecs: &Codecs, payload: &Payload) {
    let _ = codecs.decode::<(i64, String)>(payload);
    let _ = codecs.decode::<Vec<u8>>(payload);
    let _ = codecs.decode::<Option<f64>>(payload);
    let _ = codecs.decode::<std::collections::BTreeMap<String, Vec<u32>>>(payload);
    let _ = codecs.decode::<char>(payload);
    let _ = codecs.decode::<()>(payload);
}

/// What was read can be written by both codecs, and reads back as the same.
fn again(codecs: &Codecs, value: &Value) {
    for name in [&*JSON, &*MESSAGE_PACK] {
        let written = codecs
            .encode(name, value)
            .unwrap_or_else(|error| panic!("{name} cannot write {value}: {error}"));
        let read: Value = codecs
            .decode(&written)
            .unwrap_or_else(|error| panic!("{name} cannot read what it wrote of {value}: {error}"));
        assert_eq!(&read, value, "{name}");
    }
}

/// As it stands in an envelope: the bytes survive whatever they are.
fn in_json(payload: &Payload) {
    let text = serde_json::to_string(payload).expect("a payload can always be written");
    let read: Payload = serde_json::from_str(&text).expect("and be read again");
    assert_eq!(read.codec(), payload.codec());
    if text.starts_with("{\"payload\"") {
        assert_eq!(read.bytes().trim_ascii(), payload.bytes().trim_ascii());
    } else {
        assert_eq!(read.bytes(), payload.bytes());
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
