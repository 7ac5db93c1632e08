//! What commands print: lines and tables for people, JSON for programs.
//!
//! Whatever came from a store or from input passes through [`escape`] on its way to a person's
//! terminal; JSON needs no more than its own escapes.

pub(crate) mod escape;
mod out;

pub(crate) use out::Out;
