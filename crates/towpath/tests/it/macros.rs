//! `#[towpath::task]`: what it makes of a function. What it accepts and refuses is tested beside the macro.

mod parameters;
mod payloads;
mod returned;
mod settings;
