//! Ids of messages: a UUID, or any text from which one is derived.

use std::fmt;

use towpath_core::MessageId;
use towpath_core::limits::NAME_BYTES;

/// The id of a message, and how the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdArg {
    pub(crate) id: MessageId,
    text: String,
}

impl fmt::Display for IdArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.to_string();
        if id.eq_ignore_ascii_case(&self.text) {
            f.write_str(&id)
        } else {
            write!(f, "{:?} (id {id})", self.text)
        }
    }
}

/// Reads an id. A text that is no UUID stands for the id that is derived from it, so that a message
/// submitted with `--id order-17` is found as `order-17`.
pub(crate) fn id(text: &str) -> Result<IdArg, String> {
    if text.is_empty() {
        return Err("the id is empty; give a UUID, or a text of your own".to_owned());
    }
    if text.len() > NAME_BYTES {
        let len = text.len();
        return Err(format!("the id has {len} bytes, the limit is {NAME_BYTES}"));
    }
    let id = match text.parse() {
        Ok(id) => id,
        Err(_) if is_damaged_uuid(text) => {
            return Err(
                "this looks like a part of a UUID; a whole one has 36 characters".to_owned(),
            );
        }
        Err(_) => MessageId::from_text(text),
    };
    let text = text.to_owned();
    Ok(IdArg { id, text })
}

/// Nobody names his orders like this: it was cut off when it was copied.
fn is_damaged_uuid(text: &str) -> bool {
    let is_hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    is_hex && text.len() >= 13 && text.as_bytes().get(8) == Some(&b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_itself_and_a_text_has_its_own() {
        let uuid = "0195f5c0-7f3e-7000-8000-000000000001";
        assert_eq!(id(uuid).unwrap().to_string(), uuid);
        let order = id("order-17").unwrap();
        assert_eq!(order.id, MessageId::from_text("order-17"));
        assert!(order.to_string().starts_with("\"order-17\" (id "));
    }

    #[test]
    fn a_cut_uuid_is_not_taken_for_a_text() {
        assert!(id("0195f5c0-7f3e-7000-8000-0000000000").is_err());
        assert!(id("0195f5c0-7f3e").is_err());
        assert!(id("").is_err());
        assert!(id(&"x".repeat(256)).is_err());
        assert!(id("2026-01-01").is_ok());
        assert!(id("cafe").is_ok());
    }
}
