//! The program behind `cargo xtask soak`: the observer, and with a hidden verb one of its processes.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    use clap::Parser;
    use towpath_soak::options::Arguments;
    use towpath_soak::progress::Progress;
    use towpath_soak::{observer, role};

    let arguments = Arguments::parse();
    if let Some(role) = arguments.role {
        return end(role::play(&role).map(|()| ExitCode::SUCCESS));
    }
    let plan = arguments.plan;
    end((|| {
        let program = std::env::current_exe()?;
        let report = observer::soak(&program, &plan, Progress::new(plan.duration()))?;
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{report}");
        }
        Ok(if report.is_good() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })())
}

#[cfg(unix)]
fn end(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!("error: a soak needs signals that stop and continue a process; run it on Unix");
    ExitCode::from(2)
}
