//! Integration tests of the runtime, one module per part.

mod attempts;
mod blocking;
mod deliveries;
mod locks;
mod log;
mod policies;
mod results;
mod scopes;
mod spy;
mod stage;
mod statuses;
mod submits;
mod support;
mod values;
mod workers;
