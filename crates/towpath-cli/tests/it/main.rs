//! The program as its users meet it: started as a process, its output read.

mod bulk;
mod demo;
mod help;
mod input;
mod locks;
mod migrate;
mod output;
mod program;
mod shell;
mod store;
mod submit;
mod worker;
