//! What the counts depend on: the compilers, and the machine that counts.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::program::{Echo, Program};

/// The versions of what makes and counts the instructions, as the tools say them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tools {
    pub(super) rustc: String,
    /// The C compiler: it makes SQLite.
    pub(super) cc: String,
    pub(super) valgrind: String,
}

impl Tools {
    /// Asks the tools, and installs valgrind where that is missing and can be had.
    pub(super) fn find(echo: Echo) -> Result<Self> {
        if !Program::new("valgrind", "valgrind")
            .args(["--version"])
            .probe()
        {
            install_valgrind(echo)?;
        }
        // The compilers that cargo takes, unless the environment names others.
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        Ok(Self {
            rustc: version(&rustc)?,
            cc: version(&cc)?,
            valgrind: version("valgrind")?,
        })
    }

    /// Whether counts with the one can be held against counts with the other to a few percent.
    pub(super) fn compile_as(&self, other: &Self) -> bool {
        self.rustc == other.rustc && self.cc == other.cc
    }
}

/// The first line of what a tool says of its version.
fn version(tool: &str) -> Result<String> {
    let said = Program::new(tool, &format!("{tool} --version"))
        .args(["--version"])
        .run(Echo::OnFailure)?;
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

fn install_valgrind(echo: Echo) -> Result<()> {
    const INSTALL: [&str; 4] = ["install", "-y", "--no-install-recommends", "valgrind"];
    let apt = |arguments: &[&str]| {
        let shown = format!("apt-get {}", arguments.join(" "));
        Program::new("apt-get", &shown)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments)
    };
    if !is_root() || !apt(&["--version"]).probe() {
        bail!(
            "valgrind is not installed, which counts the instructions; install it, for example by \
             `apt-get install valgrind` or `dnf install valgrind`"
        );
    }
    // A fresh machine does not know yet which packages there are.
    if !apt(&INSTALL).probe() {
        apt(&["update"]).run(echo)?;
        apt(&INSTALL).run(echo)?;
    }
    Ok(())
}

fn is_root() -> bool {
    let said = Program::new("id", "id -u")
        .args(["-u"])
        .run(Echo::OnFailure);
    said.is_ok_and(|id| id.trim() == "0")
}
