//! What a reader is told of a message: its result, or why there is none.

use std::time::Duration;

use towpath_core::store::{Brief, ResultRead};
use towpath_core::{
    AttemptError, Error, FailReason, Kind, MessageId, Payload, Result, Status, Timestamp, limits,
};

/// A result that was read.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) payload: Payload,
    pub(super) finished_at: Timestamp,
}

/// What the store's answer means; `None` for a message that has not ended.
///
/// A message that keeps no result reads as JSON `null`, which `()` and `Option` decode.
pub(super) fn ending(
    id: MessageId,
    read: ResultRead,
    result_bytes: usize,
) -> Option<Result<Found>> {
    Some(match read {
        ResultRead::Waiting => return None,
        ResultRead::Value {
            payload,
            finished_at,
        } => Ok(Found {
            payload: payload.unwrap_or_else(|| Payload::json("null")),
            finished_at,
        }),
        ResultRead::Unknown => Err(unknown(id)),
        ResultRead::TooLarge { size } => Err(Error::new(
            Kind::ResultTooLarge,
            format!(
                "the result of message {id} has {size} bytes and was not kept, the limit is {result_bytes}"
            ),
        )),
        ResultRead::Taken => Err(taken(id)),
        ResultRead::Failed { reason, error } => Err(failed(id, reason, error)),
        ResultRead::Revoked => Err(Error::new(
            Kind::Revoked,
            format!("message {id} was revoked"),
        )),
    })
}

/// Whether a read of the result would tell an end: of an unknown message nothing more is to come.
pub(super) fn has_ended(brief: Brief) -> bool {
    brief.status.is_terminal() || brief.status == Status::Unknown
}

pub(super) fn unknown(id: MessageId) -> Error {
    let hours = |time: Duration| time.as_secs() / 3_600;
    let (succeeded, dead) = (hours(limits::KEEP_SUCCEEDED), hours(limits::KEEP_DEAD) / 24);
    Error::new(
        Kind::NotFound,
        format!(
            "message {id} is not in the store: never submitted, removed, or pruned (kept by default \
             {succeeded} hours after success, {dead} days after failure)"
        ),
    )
}

pub(super) fn taken(id: MessageId) -> Error {
    Error::new(
        Kind::NotFound,
        format!("the result of message {id} was taken"),
    )
}

fn failed(id: MessageId, reason: FailReason, error: Option<AttemptError>) -> Error {
    match error {
        Some(error) => Error::new(
            Kind::Failed,
            format!("message {id} failed ({reason}): {error}"),
        )
        .with_source(error),
        None => Error::new(Kind::Failed, format!("message {id} failed ({reason})")),
    }
}

pub(super) fn timed_out(id: MessageId, status: Status, timeout: Duration) -> Error {
    let text = if timeout.is_zero() {
        format!("message {id} has not ended: it is {status}")
    } else {
        format!("message {id} is still {status} after a wait of {timeout:?}")
    };
    Error::new(Kind::TimedOut, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_but_waiting_is_an_end_that_names_the_message() {
        let id = MessageId::from_text("one");
        let check = |read: ResultRead, kind: Kind, says: &str| {
            let error = ending(id, read, 100).expect("it has ended").unwrap_err();
            assert_eq!(error.kind(), kind);
            let text = error.to_string();
            assert!(
                text.contains(&id.to_string()) && text.contains(says),
                "{text}"
            );
        };
        check(
            ResultRead::Unknown,
            Kind::NotFound,
            "24 hours after success, 7 days",
        );
        check(ResultRead::Taken, Kind::NotFound, "was taken");
        check(ResultRead::Revoked, Kind::Revoked, "was revoked");
        let too_large = ResultRead::TooLarge { size: 101 };
        check(
            too_large,
            Kind::ResultTooLarge,
            "has 101 bytes and was not kept, the limit is 100",
        );
        let expired = ResultRead::Failed {
            reason: FailReason::Expired,
            error: None,
        };
        check(expired, Kind::Failed, "failed (expired)");
        let error = Some(AttemptError::new("io::Error", "disk full"));
        let exhausted = ResultRead::Failed {
            reason: FailReason::Exhausted,
            error,
        };
        check(
            exhausted,
            Kind::Failed,
            "failed (exhausted): io::Error: disk full",
        );
        assert!(ending(id, ResultRead::Waiting, 100).is_none());
    }

    #[test]
    fn a_message_without_result_reads_as_null() {
        let finished_at = Timestamp::from_millis(7);
        let read = ResultRead::Value {
            payload: None,
            finished_at,
        };
        let found = ending(MessageId::new(), read, 100).unwrap().unwrap();
        assert_eq!(
            found,
            Found {
                payload: Payload::json("null"),
                finished_at
            }
        );
    }
}
