//! Towpath as its users see it.

mod hello;
#[cfg(all(unix, feature = "sqlite"))]
mod kills;
mod macros;
mod testing;
