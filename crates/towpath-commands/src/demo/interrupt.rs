//! Ctrl-C, and SIGTERM: the demo ends early, and gives back what it has claimed.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use towpath_core::{Error, Kind, Result};

/// How long files that are being read may go on after that.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Whether the demo was told to end.
pub(super) struct Interrupt {
    told: watch::Receiver<bool>,
    listener: JoinHandle<()>,
}

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self> {
        let (tell, told) = watch::channel(false);
        let signal = signal()?;
        let listener = tokio::spawn(async move {
            signal.await;
            let _ = tell.send(true);
        });
        Ok(Self { told, listener })
    }

    pub(super) fn is_set(&self) -> bool {
        *self.told.borrow()
    }

    /// Waits until the demo is told to end.
    pub(super) async fn wait(&self) {
        let mut told = self.told.clone();
        if told.wait_for(|told| *told).await.is_err() {
            // The listener ended without a signal: there will be none.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[cfg(unix)]
fn signal() -> Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let refuse = |e| {
        Error::new(
            Kind::Storage,
            format!("no signal handler could be installed: {e}"),
        )
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refuse)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(refuse)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signal() -> Result<impl Future<Output = ()> + Send> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
