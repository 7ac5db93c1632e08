//! `with-cleanup` and `defer`: clean-up that is promised before the work, and happens whatever becomes of it.
//!
//! `with_cleanup` runs a command with a scope around it, `defer` is called within, and `line` is what they say to each
//! other. What is promised is written down by `towpath_coord`'s deferred functions, whose head tells who may die where.

pub(crate) mod defer;
mod line;
mod report;
mod state;
pub(crate) mod with_cleanup;

pub(crate) use report::{Dead, ReportView, promise, tell_trouble};
pub(crate) use state::directory as state_directory;
