//! What only the SQLite store promises: its file, its processes, and what it makes of a damaged record.

mod damage;
mod lines;
mod namespaces;
mod opening;
mod place;
mod processes;
mod workers;
mod writer;
