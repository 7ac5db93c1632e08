//! Integration tests of the runtime, one module per part.

mod blocking;
mod results;
mod stage;
mod statuses;
