//! The commands of Towpath as a library: what the binary `towpath` runs, and what any program gets by
//! handing over its app.
//!
//! Commands are thin: parse, call the library, show. Each has its file, with its arguments, its text,
//! its parsing and its tests; what they share is in the files beside them.
//!
//! * `run` is the way from the arguments to the exit code; `args` the top of the command line.
//! * `env` is what every command is handed, `exit` how it ends, `output` what it prints.
//! * `store` finds the store that is meant, `filter` the messages, `bulk` does a verb on all of them;
//!   `values` reads what stands on the command line.
//!
//! No store can be named here: whoever starts a program hands over how to open one ([`Setup`]).
//!
//! Users name the crate `towpath`; this one is public so that its siblings can meet, and semver
//! covers only what the facade re-exports.

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod __fuzz;
mod args;
mod bench;
#[cfg(unix)]
mod blocking;
mod bulk;
#[cfg(unix)]
mod child;
#[cfg(unix)]
mod cleanup;
mod completions;
mod dead;
mod demo;
#[cfg(unix)]
mod dir;
mod doctor;
mod env;
mod exit;
mod filter;
mod locks;
mod log;
#[cfg(unix)]
mod make;
mod messages;
mod migrate;
mod output;
#[cfg(unix)]
mod place;
mod prune;
mod queues;
mod result;
mod revoke;
mod run;
pub mod shell;
mod status;
mod store;
mod submit;
mod values;
mod worker;
mod workers;

pub use env::Scopes;
pub use run::{Program, Setup, main_with, run, run_blocking};
pub use store::{Migrations, Open, Yard};
