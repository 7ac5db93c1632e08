//! A Postgres server of a test's own.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::place::Place;
use crate::process::{Process, succeed};
use crate::programs::find;

/// How often another port is tried when somebody else took the one that was free.
const TRIES: usize = 5;

/// A Postgres server with the database `towpath` and the user `towpath`, who needs no password. It ends
/// with this handle, and its data with it.
pub struct PostgresServer {
    /// `None` between a stop and the next start.
    process: Option<Process>,
    place: Place,
    settings: Vec<String>,
}

/// How a Postgres server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Sessions are cut off, what was committed is written: what an operator does.
    Fast,
    /// At once, as at a loss of power; the next start recovers.
    Immediate,
}

impl PostgresServer {
    /// A server as its operators leave it, with room for many connections.
    ///
    /// # Errors
    ///
    /// When there is no Postgres, or it does not answer in time.
    pub fn start() -> Result<Self> {
        Self::start_with(&["max_connections=200"])
    }

    /// A server with these settings, each `NAME=VALUE`.
    ///
    /// # Errors
    ///
    /// As [`start`](PostgresServer::start).
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let settings: Vec<String> = settings
            .iter()
            .map(|setting| (*setting).to_owned())
            .collect();
        let mut tried = 0;
        loop {
            tried += 1;
            let mut server = Self {
                process: None,
                place: Place::new()?,
                settings: settings.clone(),
            };
            server.make_cluster()?;
            match server.start_again() {
                Ok(()) => break server.make_database(),
                Err(error) if tried == TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Starts it again after a stop, on the same port with the same data.
    ///
    /// # Errors
    ///
    /// As [`start`](PostgresServer::start).
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = self.program("postgres")?;
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.place.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let ready = find("pg_isready")?;
        let port = self.place.port.to_string();
        let answers = || {
            let mut ask = Command::new(&ready);
            ask.args([
                "-q",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-d",
                "postgres",
                "-U",
                "towpath",
            ]);
            ask.status().is_ok_and(|status| status.success())
        };
        let directory = self.place.directory.path();
        self.process = Some(Process::start(command, directory, Signal::QUIT, answers)?);
        Ok(())
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("postgres://towpath@127.0.0.1:{}/towpath", self.place.port)
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Ends it as an operator does: sessions are cut off, what was committed is written.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn stop(&mut self) -> Result<()> {
        self.end(End::Fast)
    }

    /// Ends it at once; the next start recovers from its log.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.end(End::Immediate)
    }

    /// Freezes it with all its sessions, as a machine that hangs: connections stay, and nothing is answered.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(Signal::CONT)
    }

    /// Ends it in order and leaves its directory; answers where that is.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn keep(mut self) -> Result<PathBuf> {
        self.stop()?;
        Ok(self.place.directory.keep())
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        match &self.process {
            Some(process) => process.signal_family(signal),
            None => bail!("the server does not run"),
        }
    }

    fn end(&mut self, end: End) -> Result<()> {
        let signal = match end {
            End::Fast => Signal::INT,
            End::Immediate => Signal::QUIT,
        };
        match self.process.take() {
            Some(process) => process.end(signal).map(drop),
            None => Ok(()),
        }
    }

    fn data(&self) -> PathBuf {
        self.place.directory.path().join("data")
    }

    fn make_cluster(&self) -> Result<()> {
        if let Some((uid, gid)) = unprivileged()? {
            std::os::unix::fs::chown(self.place.directory.path(), Some(uid), Some(gid))
                .context("failed to give Postgres its directory")?;
        }
        let mut command = self.program("initdb")?;
        command.arg("-D").arg(self.data()).args([
            "-U",
            "towpath",
            "--auth=trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        succeed(command)
    }

    fn make_database(self) -> Result<Self> {
        let port = self.place.port.to_string();
        let mut command = Command::new(find("createdb")?);
        command.args(["-h", "127.0.0.1", "-p", &port, "-U", "towpath", "towpath"]);
        succeed(command)?;
        Ok(self)
    }

    /// A program of Postgres, run by somebody who is not root: as root they refuse to work.
    fn program(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(find(name)?);
        command.current_dir(self.place.directory.path());
        if let Some((uid, gid)) = unprivileged()? {
            command.uid(uid).gid(gid);
        }
        Ok(command)
    }
}

/// Who runs Postgres: the user `postgres`, else `nobody`; `None` when we are not root anyway.
pub(crate) fn unprivileged() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string(Path::new("/etc/passwd"))?;
    let ids = ["postgres", "nobody"].into_iter().find_map(|name| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    });
    match ids {
        Some(ids) => Ok(Some(ids)),
        None => bail!("there is neither a user postgres nor a user nobody to run Postgres as"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_answers_and_is_there_again_after_either_end() {
        if crate::given(crate::POSTGRES_URL).is_none() {
            return;
        }
        let mut server = PostgresServer::start().unwrap();
        server.stop().unwrap();
        server.start_again().unwrap();
        server.kill().unwrap();
        server.start_again().unwrap();
    }
}
