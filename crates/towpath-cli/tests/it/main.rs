//! The program as its users meet it: started as a process, its output read.

mod bulk;
#[cfg(unix)]
mod cleanup;
mod demo;
#[cfg(unix)]
mod dir;
mod help;
mod input;
mod locks;
#[cfg(unix)]
mod make;
mod migrate;
mod output;
mod program;
mod shell;
mod store;
mod submit;
mod worker;
