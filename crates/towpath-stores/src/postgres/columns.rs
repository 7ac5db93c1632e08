//! Reading one row. Anybody may have edited it: every value is checked, and what does not fit is refused by
//! the name of its column.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use towpath_core::codec::JSON;
use towpath_core::name::CodecName;
use towpath_core::{FailReason, MessageId, Payload, State, Timestamp};
use uuid::Uuid;

use super::error::{Fallible, Fault};

/// A row whose columns are read and refused by their name.
pub(super) struct Columns<'a>(pub(super) &'a Row);

impl<'a> Columns<'a> {
    pub(super) fn get<T: FromSql<'a>>(&self, name: &str) -> Fallible<T> {
        self.0
            .try_get(name)
            .map_err(|error| Fault::damaged(name, format_args!("cannot be read ({error})")))
    }

    pub(super) fn long(&self, name: &str) -> Fallible<i64> {
        self.get(name)
    }

    pub(super) fn maybe_long(&self, name: &str) -> Fallible<Option<i64>> {
        self.get(name)
    }

    pub(super) fn int(&self, name: &str) -> Fallible<i32> {
        self.get(name)
    }

    pub(super) fn maybe_int(&self, name: &str) -> Fallible<Option<i32>> {
        self.get(name)
    }

    pub(super) fn flag(&self, name: &str) -> Fallible<bool> {
        self.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Fallible<&'a str> {
        self.get(name)
    }

    pub(super) fn maybe_text(&self, name: &str) -> Fallible<Option<&'a str>> {
        self.get(name)
    }

    pub(super) fn u32(&self, name: &str) -> Fallible<u32> {
        let value = self.long(name)?;
        u32::try_from(value).map_err(|_| Fault::damaged(name, format_args!("is {value}")))
    }

    /// A count, or a size of something that was once in memory.
    pub(super) fn size(&self, name: &str) -> Fallible<usize> {
        let value = self.maybe_long(name)?.unwrap_or(0);
        usize::try_from(value).map_err(|_| Fault::damaged(name, format_args!("is {value}")))
    }

    pub(super) fn time(&self, name: &str) -> Fallible<Timestamp> {
        self.long(name).map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(&self, name: &str) -> Fallible<Option<Timestamp>> {
        Ok(self.maybe_long(name)?.map(Timestamp::from_millis))
    }

    pub(super) fn message_id(&self, name: &str) -> Fallible<MessageId> {
        self.get::<Uuid>(name).map(MessageId::from)
    }

    pub(super) fn maybe_reason(&self, name: &str) -> Fallible<Option<FailReason>> {
        let Some(code) = self.get::<Option<i16>>(name)? else {
            return Ok(None);
        };
        let reason = usize::try_from(code)
            .ok()
            .and_then(|code| FailReason::ALL.get(code));
        let damaged = || Fault::damaged(name, format_args!("is {code}"));
        reason.copied().map(Some).ok_or_else(damaged)
    }

    /// The codec of a payload: NULL stands for JSON, so that most rows need not say it.
    pub(super) fn codec(&self, name: &str) -> Fallible<CodecName> {
        match self.maybe_text(name)? {
            None => Ok(JSON.clone()),
            Some(text) if text == JSON.as_str() => Ok(JSON.clone()),
            Some(text) => CodecName::new(text).map_err(|error| Fault::damaged(name, error)),
        }
    }

    pub(super) fn payload(&self, codec: &str, name: &str) -> Fallible<Payload> {
        let bytes: &[u8] = self.get(name)?;
        Ok(Payload::new(
            self.codec(codec)?,
            towpath_core::pack::copy(bytes),
        ))
    }

    /// A payload that is there when its codec is.
    pub(super) fn maybe_payload(&self, codec: &str, name: &str) -> Fallible<Option<Payload>> {
        match self.maybe_text(codec)? {
            None => Ok(None),
            Some(_) => self.payload(codec, name).map(Some),
        }
    }
}

pub(super) fn state_code(state: State) -> i16 {
    match state {
        State::Scheduled => 0,
        State::Ready => 1,
        State::Running => 2,
        State::Succeeded => 3,
        State::Failed => 4,
        State::Revoked => 5,
    }
}

/// The state of a message, from what the tables say of it: how it ended, if it did; whether somebody holds
/// it; whether it waits for its time.
pub(super) fn state_of(ended: Option<i16>, running: bool, scheduled: bool) -> Fallible<State> {
    match ended {
        Some(code) => State::ALL
            .into_iter()
            .find(|state| state.is_terminal() && state_code(*state) == code)
            .ok_or_else(|| Fault::damaged("finished.state", format_args!("is {code}"))),
        None if running => Ok(State::Running),
        None if scheduled => Ok(State::Scheduled),
        None => Ok(State::Ready),
    }
}

pub(super) fn reason_code(reason: FailReason) -> i16 {
    match reason {
        FailReason::Exhausted => 0,
        FailReason::Rejected => 1,
        FailReason::Lost => 2,
        FailReason::Expired => 3,
    }
}

/// The name of a codec as it is stored.
pub(super) fn codec_text(codec: &CodecName) -> Option<&str> {
    (*codec != *JSON).then(|| codec.as_str())
}

/// A duration as it is stored: whole milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A number of rows as it is asked for.
pub(super) fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An id as the client takes it.
pub(super) fn uuid(id: MessageId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

/// Ids as the client takes them.
pub(super) fn uuids(ids: &[MessageId]) -> Vec<Uuid> {
    ids.iter().copied().map(uuid).collect()
}

/// A text for people, without the one character that Postgres does not keep.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_what_they_write() {
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            assert_eq!(
                state_of(Some(state_code(state)), true, true).unwrap(),
                state
            );
        }
        assert!(state_of(Some(1), false, false).is_err());
        assert!(state_of(Some(6), false, false).is_err());
        for (code, reason) in FailReason::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(reason_code(reason)).unwrap(), code);
        }
    }

    #[test]
    fn a_state_is_told_by_where_a_message_stands() {
        let check = |running, scheduled, expected| {
            assert_eq!(state_of(None, running, scheduled).unwrap(), expected);
        };
        check(true, false, State::Running);
        check(true, true, State::Running);
        check(false, true, State::Scheduled);
        check(false, false, State::Ready);
    }
}
