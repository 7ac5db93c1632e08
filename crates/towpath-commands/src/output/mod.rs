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
