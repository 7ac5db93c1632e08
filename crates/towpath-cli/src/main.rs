//! The program `towpath`: the commands of the library, on a store of the user's.

use std::process::ExitCode;

fn main() -> ExitCode {
    towpath::cli::main(env!("CARGO_PKG_VERSION"))
}
