//! JSON values: given as an argument, or `-` for standard input; bounded before they are parsed.

use std::io::Read;

use serde::de::IgnoredAny;
use towpath_core::codec::check_nesting;
use towpath_core::limits::PAYLOAD_BYTES;
use towpath_core::{Error, Payload};

use crate::exit::{Failure, Result};

/// Where the arguments of a task are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonArg {
    /// Here.
    Text(String),
    /// On standard input.
    Stdin,
}

impl std::str::FromStr for JsonArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text {
            "-" => JsonArg::Stdin,
            text => JsonArg::Text(text.to_owned()),
        })
    }
}

impl JsonArg {
    /// The arguments of a task: a JSON array in order, a JSON object by name.
    pub(crate) fn read(self) -> Result<Payload> {
        match self {
            JsonArg::Text(text) => arguments(text.as_bytes()),
            JsonArg::Stdin => arguments(&read_bounded(std::io::stdin())?),
        }
    }
}

/// Reads everything, but never much more than what a payload may hold.
fn read_bounded(input: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = PAYLOAD_BYTES as u64 + 1;
    input
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))?;
    if bytes.len() > PAYLOAD_BYTES {
        return Err(Failure::usage(format!(
            "standard input has more than {PAYLOAD_BYTES} bytes, the limit of a payload"
        ))
        .hint("store it elsewhere and pass its name"));
    }
    Ok(bytes)
}

fn arguments(bytes: &[u8]) -> Result<Payload> {
    let size = bytes.len();
    if size > PAYLOAD_BYTES {
        return Err(Failure::usage(format!(
            "the payload has {size} bytes, the limit is {PAYLOAD_BYTES}"
        )));
    }
    let trimmed = bytes.trim_ascii().to_vec();
    let first = trimmed.first().copied();
    let payload = Payload::json(trimmed);
    check_nesting(&payload)?;
    let hint = "an array holds the arguments in order, an object by name: '[1, 2]' or '{\"a\": 1}'";
    // Checked without building it, so that depth and size cost nothing.
    serde_json::from_slice::<IgnoredAny>(payload.bytes()).map_err(|e| {
        Failure::from(Error::invalid(format!("the arguments are not JSON: {e}"))).hint(hint)
    })?;
    // What `serde_json` passes over unread may still not be text.
    std::str::from_utf8(payload.bytes())
        .map_err(|e| Failure::usage(format!("the arguments are not UTF-8: {e}")))?;
    if !matches!(first, Some(b'[' | b'{')) {
        return Err(Failure::usage("the arguments must be a JSON array or object").hint(hint));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let failure = arguments(text.as_bytes()).unwrap_err();
        let report = failure.report();
        assert!(report.contains(expected), "{text:.40}: {report}");
    }

    #[test]
    fn arguments_are_an_array_or_an_object() {
        assert_eq!(arguments(b" [1, 2]\n").unwrap(), Payload::json("[1, 2]"));
        assert!(arguments(b"{}").is_ok());
        check("", "not JSON");
        check("[1", "not JSON: EOF");
        check("[1] [2]", "not JSON: trailing");
        check("add", "not JSON");
        check("17", "must be a JSON array or object");
        check("\"text\"", "must be a JSON array or object");
    }

    #[test]
    fn size_and_depth_are_bounded_and_named() {
        check(&"[".repeat(100_000), "deeper than 128");
        check(
            &format!("[{}]", "1,".repeat(600_000)),
            "the limit is 1048576",
        );
        let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert!(arguments(deep.as_bytes()).is_ok());
    }

    #[test]
    fn standard_input_is_not_read_to_its_end() {
        let failure = read_bounded(std::io::repeat(b' ')).unwrap_err();
        assert!(failure.report().contains("more than 1048576 bytes"));
        assert!(arguments(b"[\"\xff\"]").is_err());
    }
}
