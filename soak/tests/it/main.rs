//! Real kills of real processes, and the verifier on records that somebody made up.
#![cfg(unix)]

mod kills;
mod short;
mod verifier;
