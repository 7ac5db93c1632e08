//! The life of one message, as the journals tell it.

use crate::journal::{Event, Kind, Name};
use crate::mix::Mix;

/// One run of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The number of its token.
    pub claims: u32,
    /// Where it ran.
    pub process: u16,
    /// When its handler began.
    pub began: u64,
    /// When its handler came to its end, or asked to be repeated.
    pub ended: Option<u64>,
    /// Whether it asked to be repeated.
    pub asked_retry: bool,
    /// When its worker knew that the store had accepted its success.
    pub settled: Option<u64>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub mix: Mix,
    /// The record of its acknowledged submit, if there is one.
    pub accepted: Option<Event>,
    /// Its submit was refused for good.
    pub refused: bool,
    /// Its runs, in the order of their tokens.
    pub attempts: Vec<Attempt>,
}

impl History {
    /// Of all records of one message, in any order.
    ///
    /// # Panics
    ///
    /// When there is no record.
    pub fn of(events: &mut [Event]) -> Self {
        events.sort_unstable_by_key(|event| (event.at, event.kind));
        let first = events
            .first()
            .expect("a message has a record, or nobody would ask");
        let mut history = Self {
            name: first.name,
            mix: first.mix,
            accepted: None,
            refused: false,
            attempts: Vec::new(),
        };
        for event in events.iter() {
            history.add(event);
        }
        history
            .attempts
            .sort_by_key(|attempt| (attempt.claims, attempt.began));
        history
    }

    fn add(&mut self, event: &Event) {
        match event.kind {
            Kind::Accepted => self.accepted = Some(*event),
            Kind::Refused => self.refused = true,
            Kind::Began => self.attempts.push(Attempt {
                claims: event.number,
                process: event.process,
                began: event.at,
                ended: None,
                asked_retry: false,
                settled: None,
            }),
            Kind::Ended | Kind::AskedRetry | Kind::Settled => self.go_on(event),
            Kind::Retried | Kind::Failed | Kind::Trouble | Kind::LeaseLost => {}
        }
    }

    /// A later record of a run that has begun: every handler writes its beginning first.
    fn go_on(&mut self, event: &Event) {
        let of = |attempt: &&mut Attempt| {
            (attempt.claims, attempt.process) == (event.number, event.process)
        };
        let Some(attempt) = self.attempts.iter_mut().rev().find(of) else {
            return;
        };
        match event.kind {
            Kind::Settled => attempt.settled = Some(event.at),
            kind => {
                attempt.ended = Some(event.at);
                attempt.asked_retry = kind == Kind::AskedRetry;
            }
        }
    }

    /// The run whose success the store accepted.
    pub fn settled(&self) -> Option<&Attempt> {
        self.attempts
            .iter()
            .find(|attempt| attempt.settled.is_some())
    }
}
