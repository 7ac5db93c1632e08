//! Real processes on one SQLite file: killed, frozen, told to stop, and left to work in order.
//!
//! The test binary plays the other processes too: started again with a role in its environment, it
//! becomes a producer, a worker or a consumer and does what `tasks` says. What it says to the test goes
//! through its standard output; `process` is the test's end of that.

mod deaths;
mod freezes;
pub(crate) mod locks;
mod order;
mod poison;
pub(crate) mod process;
#[cfg(feature = "files")]
pub(crate) mod promises;
mod signals;
pub(crate) mod tasks;

use process::Part;

/// What the other processes do. As a test of its own it does nothing.
#[test]
fn child_process() {
    let Some(part) = Part::of_this_process() else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(tasks::play(part));
}
