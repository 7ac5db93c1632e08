//! How values are written on the command line: each kind in one file, with its errors.

mod address;
#[cfg(unix)]
mod cooldown;
mod duration;
mod id;
mod instant;
mod json;
mod pair;

pub(crate) use address::metrics_address;
#[cfg(unix)]
pub(crate) use cooldown::cooldown;
pub(crate) use duration::duration;
pub(crate) use id::{IdArg, id};
pub(crate) use instant::instant;
pub(crate) use json::JsonArg;
pub(crate) use pair::{Pair, metadata, pair};
