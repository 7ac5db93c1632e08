//! Towpath as its users see it.

mod hello;
mod macros;
mod testing;
