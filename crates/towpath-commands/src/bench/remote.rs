//! A peer as its parent sees it: started, asked, and killed at the latest with this.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::ground::Site;
use super::peer::{Ask, Tell, gone};
use crate::exit::Result;
use crate::store::VARIABLE;

/// The hidden command that a peer runs.
pub(crate) const COMMAND: &str = "bench-peer";

pub(super) struct Remote {
    child: Child,
    asks: ChildStdin,
    tells: Lines<BufReader<ChildStdout>>,
}

impl Remote {
    /// Starts this program once more, on the store of `site`.
    pub(super) fn start(site: &Site) -> Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg(COMMAND)
            // Arguments are for everybody to read.
            .env(VARIABLE, site.url.revealed())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(gone)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (asks, tells) = pipes.ok_or_else(|| gone("it has no pipes"))?;
        Ok(Self {
            child,
            asks,
            tells: BufReader::new(tells).lines(),
        })
    }

    /// Starts one that works.
    pub(super) async fn worker(site: &Site) -> Result<Self> {
        let mut remote = Self::start(site)?;
        remote.ask(Ask::Work).await?;
        Ok(remote)
    }

    pub(super) async fn ask(&mut self, ask: Ask) -> Result<Tell> {
        let line = serde_json::to_string(&ask).map_err(gone)?;
        self.asks
            .write_all(format!("{line}\n").as_bytes())
            .await
            .map_err(gone)?;
        let line = self.tells.next_line().await.map_err(gone)?;
        let line = line.ok_or_else(|| gone("it has ended"))?;
        serde_json::from_str(&line).map_err(gone)
    }

    /// Ends it, and waits until it has.
    pub(super) async fn stop(self) -> Result<()> {
        let Self {
            mut child, asks, ..
        } = self;
        drop(asks);
        let status = child.wait().await.map_err(gone)?;
        if status.success() {
            Ok(())
        } else {
            Err(gone(status))
        }
    }
}
