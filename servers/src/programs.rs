//! Finding the programs of the servers, and installing them where that is wanted.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// A server whose programs are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Its name for people.
    pub server: &'static str,
    /// The package that brings it, on Debian and Ubuntu.
    pub package: &'static str,
}

/// Which servers cannot be started here.
pub fn missing() -> Vec<Missing> {
    let redis = Missing {
        server: "Redis",
        package: "redis-server",
    };
    let postgres = Missing {
        server: "Postgres",
        package: "postgresql",
    };
    [(redis, "redis-server"), (postgres, "initdb")]
        .into_iter()
        .filter(|(_, program)| find(program).is_err())
        .map(|(missing, _)| missing)
        .collect()
}

/// Installs what is missing with `apt-get`.
///
/// # Errors
///
/// What `apt-get` says; or, where it is not root on Debian or Ubuntu, what to install by hand.
pub fn install(missing: &[Missing]) -> Result<()> {
    let servers: Vec<_> = missing.iter().map(|missing| missing.server).collect();
    let packages: Vec<_> = missing.iter().map(|missing| missing.package).collect();
    let (servers, packages) = (servers.join(" and "), packages.join(" "));
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "the tests need {servers}; install the programs ({packages} on Debian and Ubuntu) and see \
             that they are in PATH, or leave those tests out with --no-servers"
        );
    }
    apt_get(&["update", "-qq"])?;
    let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
    arguments.extend(packages.split(' '));
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Nothing that a package brings is to be started: tests start their own.
        .env("RUNLEVEL", "1")
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`apt-get {}` failed:\n{said}", arguments.join(" "));
    }
    Ok(())
}

/// The path of a program: in `PATH`, or where Debian puts the programs of Postgres, the newest first.
pub(crate) fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|directory| directory.join(program));
    let in_debian = debian_versions()
        .into_iter()
        .map(|version| version.join("bin").join(program));
    match in_path.chain(in_debian).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("no program {program:?} in PATH or /usr/lib/postgresql/*/bin"),
    }
}

fn debian_versions() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let number = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<u32>().ok())
    };
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    versions
}
