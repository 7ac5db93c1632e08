//! What the fuzz targets share: a place for a store, a clock that stands still, and a bounded wait.
//!
//! A panic anywhere ends the fuzzer, in the threads of a store too. A wait that is longer than
//! [`PATIENCE`] counts as endless.

mod place;
mod template;
mod verbs;

pub use place::{Place, block_on};
pub use template::Template;
pub use verbs::{every_verb, tasks_of, told};

use std::time::Duration;

/// How long a single verb may take. Far more than any needs on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What every error of ours must be: a text that says something, in one piece.
pub fn check_error(error: &towpath_core::Error) {
    let text = error.to_string();
    assert!(
        !text.trim().is_empty(),
        "an error without a text: {error:?}"
    );
    assert!(text.len() < 64 * 1024, "an error of {} bytes", text.len());
}
