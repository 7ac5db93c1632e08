//! `cargo xtask tidy`: the rules of this project that no general tool knows.
//!
//! [`rules`] holds the table of rules and reports what they find. Each rule has a file; all of them read
//! the same [`tree`], and answer with a [`verdict`].

mod arrows;
mod heads;
mod leftovers;
mod lengths;
mod links;
mod measure;
mod promises;
mod rules;
mod tree;
mod verdict;
mod weight;

pub(crate) use rules::{Arguments, check, run};
