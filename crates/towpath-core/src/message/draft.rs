//! A message that was built and not yet submitted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Options;
use crate::clock::Timestamp;
use crate::codec::check_nesting;
use crate::error::{Error, Result};
use crate::ids::MessageId;
use crate::limits;
use crate::name::{QueueName, TaskName};
use crate::payload::Payload;

/// When a message may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// As soon as a worker is free.
    #[default]
    Now,
    /// That long after the store accepts it, by the store's clock. As JSON: milliseconds.
    #[serde(with = "super::options::millis")]
    After(Duration),
    /// At that time, by the store's clock; a time that has passed is now.
    At(Timestamp),
}

impl Start {
    /// The time that is meant, for a message that is accepted at `now`.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Start::Now => now,
            Start::After(delay) => now.after(delay),
            Start::At(time) => time.max(now),
        }
    }
}

/// A message that was built and not yet submitted.
///
/// Made by a task's handle or [`Draft::new`]; the fields are open, and [`check`](Draft::check)
/// holds them against every limit before anything is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The id that the message will have.
    pub id: MessageId,
    /// The task to run.
    pub task: TaskName,
    /// The queue it stands in.
    pub queue: QueueName,
    /// The task's arguments.
    pub payload: Payload,
    /// Lower runs first.
    #[serde(default)]
    pub priority: u32,
    /// When it may start.
    #[serde(default)]
    pub start: Start,
    /// How it is run.
    #[serde(default)]
    pub options: Options,
    /// The result of the message whose success submitted this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_result: Option<Payload>,
}

impl Draft {
    /// A draft with a fresh id, in the default queue, with every option at its default.
    pub fn new(task: TaskName, payload: Payload) -> Self {
        Self {
            id: MessageId::new(),
            task,
            queue: QueueName::default(),
            payload,
            priority: 0,
            start: Start::Now,
            options: Options::default(),
            previous_result: None,
        }
    }

    /// Makes the messages of `chain` run one after the other, each submitted by the success of the
    /// one before; the first is returned, holding the rest. `None` for an empty chain.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when a message of the chain but the last already has
    /// a callback.
    pub fn chain(
        chain: impl IntoIterator<Item = Draft, IntoIter: DoubleEndedIterator>,
    ) -> Result<Option<Self>> {
        chain
            .into_iter()
            .rev()
            .try_fold(None, |rest: Option<Draft>, mut draft| {
                if let Some(rest) = rest {
                    if draft.options.callback.is_some() {
                        let (id, task) = (draft.id, &draft.task);
                        return Err(Error::invalid(format!(
                            "message {id} of task {task:?} already has a callback"
                        )));
                    }
                    draft.options.callback = Some(Box::new(rest));
                }
                Ok(Some(draft))
            })
    }

    /// The ids of its chain of callbacks, the next one first.
    pub fn descendants(&self) -> Vec<MessageId> {
        self.callbacks().map(|draft| draft.id).collect()
    }

    fn callbacks(&self) -> impl Iterator<Item = &Draft> {
        fn next(draft: &Draft) -> Option<&Draft> {
            draft.options.callback.as_deref()
        }
        std::iter::successors(next(self), |draft| next(draft))
    }

    /// The callback that the success of this message submits, told where it comes from.
    ///
    /// Its id was fixed when it was built, so an attempt that is repeated submits the same message
    /// and not a second one.
    pub fn next_in_chain(&self, result: Option<Payload>) -> Option<Draft> {
        let mut next = self.options.callback.as_deref()?.clone();
        next.options.progenitor = Some(self.options.progenitor.unwrap_or(self.id));
        next.options.previous = Some(self.id);
        next.previous_result = result;
        Some(next)
    }

    /// Holds the draft and its callbacks against every limit.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid), naming the thing and the limit: payload over 1 MiB or
    /// nested beyond 128, metadata over 64 KiB, timeout of zero, any duration over ten years, more
    /// than 32 callbacks in a row.
    pub fn check(&self) -> Result<()> {
        self.check_with(limits::PAYLOAD_BYTES, limits::CALLBACK_DEPTH)
    }

    /// As [`check`](Draft::check), with the payload and callback limits that an app has chosen.
    ///
    /// # Errors
    ///
    /// As [`check`](Draft::check).
    pub fn check_with(&self, payload_bytes: usize, callback_depth: usize) -> Result<()> {
        if self.callbacks().take(callback_depth + 1).count() > callback_depth {
            return Err(Error::invalid(format!(
                "message {} has a chain of more than {callback_depth} callbacks",
                self.id
            )));
        }
        std::iter::once(self)
            .chain(self.callbacks())
            .try_for_each(|draft| {
                draft
                    .check_alone(payload_bytes)
                    .map_err(|e| e.about(draft.summary()))
            })
    }

    fn check_alone(&self, payload_bytes: usize) -> Result<()> {
        let size = self.payload.len();
        if size > payload_bytes {
            return Err(Error::invalid(format!(
                "the payload has {size} bytes, the limit is {payload_bytes}; store it elsewhere and pass its name"
            )));
        }
        check_nesting(&self.payload)?;
        if self.options.timeout.is_zero() {
            return Err(Error::invalid("the timeout is zero; no attempt could run"));
        }
        let within = |what: &str, duration: Duration| {
            if duration > limits::LONGEST {
                let days = limits::LONGEST.as_secs() / 86_400;
                return Err(Error::invalid(format!(
                    "the {what} is {duration:?}, the limit is ten years ({days} days)"
                )));
            }
            Ok(())
        };
        within("timeout", self.options.timeout)?;
        if let Start::After(delay) = self.start {
            within("delay", delay)?;
        }
        within("result_ttl", self.options.result_ttl.unwrap_or_default())?;
        within("expires_in", self.options.expires_in.unwrap_or_default())?;
        self.check_metadata()
    }

    fn check_metadata(&self) -> Result<()> {
        if self.options.metadata.is_empty() {
            return Ok(());
        }
        let size = serde_json::to_vec(&self.options.metadata).map_or(usize::MAX, |json| json.len());
        if size > limits::METADATA_BYTES {
            let limit = limits::METADATA_BYTES;
            return Err(Error::invalid(format!(
                "the metadata has {size} bytes, the limit is {limit}"
            )));
        }
        Ok(())
    }

    /// The draft in one line, for logs and errors.
    pub fn summary(&self) -> String {
        format!(
            "message {} (task {:?}, queue {:?})",
            self.id, self.task, self.queue
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(task: &str) -> Draft {
        Draft::new(TaskName::new(task).unwrap(), Payload::json("[]"))
    }

    fn refused(change: impl FnOnce(&mut Draft)) -> String {
        let mut draft = draft("t");
        change(&mut draft);
        draft.check().unwrap_err().to_string()
    }

    #[test]
    fn every_limit_is_named_with_the_thing() {
        assert!(draft("t").check().is_ok());
        let check = |expected: &str, change: fn(&mut Draft)| {
            let text = refused(change);
            assert!(text.contains(expected), "{text}");
        };
        check("1048577 bytes, the limit is 1048576", |d| {
            d.payload = Payload::json(vec![b'1'; limits::PAYLOAD_BYTES + 1]);
        });
        check("nests deeper than 128", |d| {
            d.payload = Payload::json(vec![b'['; 200]);
        });
        check("timeout is zero", |d| d.options.timeout = Duration::ZERO);
        check("delay is", |d| {
            d.start = Start::After(limits::LONGEST + Duration::from_secs(1));
        });
        check("result_ttl is", |d| {
            d.options.result_ttl = Some(Duration::MAX);
        });
        check("the metadata has", |d| {
            d.options
                .metadata
                .insert("k".into(), "x".repeat(70_000).into());
        });
    }

    #[test]
    fn a_chain_holds_each_next_one_and_knows_its_descendants() {
        let drafts: Vec<_> = ["a", "b", "c"].map(draft).into();
        let ids: Vec<_> = drafts.iter().map(|d| d.id).collect();
        let chain = Draft::chain(drafts).unwrap().unwrap();
        assert_eq!(chain.id, ids[0]);
        assert_eq!(chain.descendants(), &ids[1..]);
        let mut second = draft("x");
        second.options.callback = Some(Box::new(draft("y")));
        assert!(Draft::chain([second, draft("z")]).is_err());
    }

    #[test]
    fn callbacks_are_limited_to_a_depth_of_32() {
        let of = |n: usize| Draft::chain((0..=n).map(|_| draft("t"))).unwrap().unwrap();
        assert!(of(32).check().is_ok());
        let error = of(33).check().unwrap_err().to_string();
        assert!(error.contains("more than 32 callbacks"), "{error}");
    }

    #[test]
    fn a_callback_is_told_its_lineage() {
        let chain = Draft::chain(["a", "b", "c"].map(draft)).unwrap().unwrap();
        let second = chain.next_in_chain(Some(Payload::json("7"))).unwrap();
        assert_eq!(second.options.progenitor, Some(chain.id));
        assert_eq!(second.options.previous, Some(chain.id));
        let third = second.next_in_chain(None).unwrap();
        assert_eq!(third.options.progenitor, Some(chain.id));
        assert_eq!(third.options.previous, Some(second.id));
        assert_eq!(third.next_in_chain(None), None);
    }

    #[test]
    fn drafts_round_trip_through_json() {
        let mut one = Draft::chain(["a", "b"].map(draft)).unwrap().unwrap();
        one.start = Start::After(Duration::from_secs(3));
        one.options.metadata.insert("k".into(), 1.into());
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Draft>(&text).unwrap(), one);
    }
}
