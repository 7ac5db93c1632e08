//! A Redis server of a test's own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use crate::place::Place;
use crate::process::Process;
use crate::programs::find;
use crate::wire;

/// How often another port is tried when somebody else took the one that was free.
const TRIES: usize = 5;

/// A Redis server; it ends with this handle, and its data with it.
pub struct RedisServer {
    /// `None` between a stop and the next start.
    process: Option<Process>,
    place: Place,
    settings: Vec<String>,
}

impl RedisServer {
    /// A server that writes its log once a second, and no snapshots.
    ///
    /// # Errors
    ///
    /// When there is no `redis-server`, or it does not answer in time.
    pub fn start() -> Result<Self> {
        Self::start_with(&["--save", "", "--appendonly", "yes"])
    }

    /// A server with these settings, as they stand on its command line.
    ///
    /// # Errors
    ///
    /// As [`start`](RedisServer::start).
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        Self::start_in(Place::new, settings)
    }

    /// One node of a cluster to be.
    pub(crate) fn start_node(settings: &[&str]) -> Result<Self> {
        Self::start_in(Place::in_cluster, settings)
    }

    fn start_in(make: fn() -> Result<Place>, settings: &[&str]) -> Result<Self> {
        let settings: Vec<String> = settings
            .iter()
            .map(|setting| (*setting).to_owned())
            .collect();
        let mut tried = 0;
        loop {
            tried += 1;
            match Self::start_at(make()?, settings.clone()) {
                Ok(server) => return Ok(server),
                Err(error) if tried == TRIES => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn start_at(place: Place, settings: Vec<String>) -> Result<Self> {
        let mut server = Self {
            process: None,
            place,
            settings,
        };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again after a stop, on the same port with the same data.
    ///
    /// # Errors
    ///
    /// As [`start`](RedisServer::start).
    pub fn start_again(&mut self) -> Result<()> {
        let directory = self.place.directory.path();
        let port = self.place.port;
        let mut command = Command::new(find("redis-server")?);
        command
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--loglevel", "warning", "--dir"])
            .arg(directory)
            .args(&self.settings);
        self.process = Some(Process::start(command, directory, Signal::KILL, || {
            wire::ask(port, &["PING"]).is_ok_and(|answer| answer == "PONG")
        })?);
        Ok(())
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.place.port)
    }

    /// Its port on the loopback address.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Ends it in order.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::TERM)
    }

    /// Ends it as a loss of power of its own would.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.end(Signal::KILL)
    }

    /// Stops its process where it stands; it keeps its connections and answers nobody.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen one go on.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
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

    fn signal(&self, signal: Signal) -> Result<()> {
        match &self.process {
            Some(process) => process.signal(signal),
            None => Ok(()),
        }
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        match self.process.take() {
            Some(process) => process.end(signal).map(drop),
            None => Ok(()),
        }
    }
}
