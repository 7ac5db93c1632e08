//! What happened, in order, as several parts of a test have noted it.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::support::SOON;

#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
    added: Notify,
}

impl Log {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
        self.added.notify_waiters();
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|noted| *noted == line).count()
    }

    /// Waits until a line has been noted so often.
    pub(crate) async fn until(&self, line: &str, times: usize) {
        let noted = async {
            loop {
                let added = self.added.notified();
                if self.count(line) >= times {
                    return;
                }
                added.await;
            }
        };
        let noted = tokio::time::timeout(SOON, noted).await;
        noted.unwrap_or_else(|_| panic!("{line:?} was not noted: {:?}", self.lines()));
    }
}
