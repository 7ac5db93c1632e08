//! Asks an exchange whether there is anything left to do.

use tokio::sync::watch;

/// A question put to an exchange, and its answer: "of what you listen to nothing was ready, and you
/// had nothing in hand, in a claim that began after I asked".
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// The number of the last question.
    asked: watch::Sender<u64>,
    /// The number of the last question that was answered.
    answered: watch::Sender<u64>,
}

impl Probe {
    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self) {
        let mut question = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            question = *asked;
        });
        // The sender is `self`, so the channel cannot close meanwhile.
        let _ = self
            .answered
            .subscribe()
            .wait_for(|answered| *answered >= question)
            .await;
    }

    /// Whether a question waits for its answer.
    pub(crate) fn is_open(&self) -> bool {
        *self.asked.borrow() > *self.answered.borrow()
    }

    pub(crate) fn asked(&self) -> u64 {
        *self.asked.borrow()
    }

    /// Waits until a question later than `question` is asked.
    pub(crate) async fn asked_after(&self, question: u64) {
        let _ = self
            .asked
            .subscribe()
            .wait_for(|asked| *asked > question)
            .await;
    }

    pub(crate) fn answer(&self, question: u64) {
        self.answered.send_if_modified(|answered| {
            let newer = question > *answered;
            *answered = question.max(*answered);
            newer
        });
    }
}
