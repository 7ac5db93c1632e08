//! Pairs `name=value`, as metadata are written.

use serde_json::Value;
use towpath_core::message::Metadata;

use crate::exit::{Failure, Result};

/// A name and a value.
pub(crate) type Pair = (String, String);

/// Reads `name=value`; the value may be empty and hold further signs of equality.
pub(crate) fn pair(text: &str) -> std::result::Result<Pair, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// The metadata of a message. Values are texts: nobody has to guess what `1` or `true` becomes.
pub(crate) fn metadata(pairs: Vec<Pair>) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for (name, value) in pairs {
        if metadata.contains_key(&name) {
            return Err(Failure::usage(format!("metadata {name:?} is given twice")));
        }
        metadata.insert(name, Value::String(value));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_split_at_the_first_sign_of_equality() {
        let check = |text: &str, name: &str, value: &str| {
            assert_eq!(pair(text), Ok((name.to_owned(), value.to_owned())));
        };
        check("k=v", "k", "v");
        check("k=a=b", "k", "a=b");
        check("k=", "k", "");
        assert!(pair("k").is_err());
        assert!(pair("=v").is_err());
    }

    #[test]
    fn a_name_may_stand_once() {
        let twice = vec![pair("k=1").unwrap(), pair("k=2").unwrap()];
        assert!(metadata(twice).is_err());
        assert_eq!(metadata(vec![pair("k=1").unwrap()]).unwrap()["k"], "1");
    }
}
