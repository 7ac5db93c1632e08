//! What commands print: lines and tables for people, JSON for programs.
//!
//! Whatever came from a store or from input passes through [`escape`] on its way to a person's
//! terminal; JSON needs no more than its own escapes.

pub(crate) mod age;
pub(crate) mod escape;
pub(crate) mod json;
mod message;
mod out;
mod table;

pub(crate) use message::MessageView;
pub(crate) use out::Out;
pub(crate) use table::{Table, cut};

/// A number of things: `1 message`, `2 messages`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{s}")
}
