//! `cargo xtask test`: every check that must be green before a commit, in one command.
//!
//! [`steps`] holds the table of steps and walks it; the steps that are more than one call of cargo have
//! files of their own.

mod examples;
mod steps;
mod suite;

pub(crate) use steps::{Arguments, run};
