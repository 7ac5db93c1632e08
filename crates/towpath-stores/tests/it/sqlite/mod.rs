//! What only the SQLite store promises: its file, its processes, and what it makes of a damaged record.

#[cfg(unix)]
mod astray;
mod damage;
mod disorder;
mod lines;
mod namespaces;
mod opening;
mod place;
mod processes;
mod workers;
mod writer;
