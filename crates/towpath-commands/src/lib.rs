//! The commands of Towpath as a library: what the binary `towpath` runs, and what any program gets by
//! handing over its app.
//!
//! Commands are thin: parse, call the library, show. Each has its file, with its arguments, its text,
//! its parsing and its tests; what they share is in the files beside them.
//!
//! * `run` is the way from the arguments to the exit code; `args` the top of the command line.
//! * `env` is what every command is handed, `exit` how it ends, `output` what it prints.
//! * `store` finds the store that is meant; `filter` the messages that are meant.
//!
//! No store can be named here: whoever starts a program hands over how to open one ([`Setup`]).
//!
//! Users name the crate `towpath`; this one is public so that its siblings can meet, and semver
//! covers only what the facade re-exports.

mod env;
mod exit;
mod output;
