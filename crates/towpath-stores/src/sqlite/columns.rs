//! Reading one row of the file. Anybody may have edited it: every value is checked, and what does not
//! fit is refused by the name of its column.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use towpath_core::codec::JSON;
use towpath_core::name::CodecName;
use towpath_core::{FailReason, IncarnationId, MessageId, Payload, State, Timestamp};

use super::error::{Fallible, Fault};

/// A row whose columns are read by their place in the statement and refused by their name.
pub(super) struct Columns<'a>(pub(super) &'a Row<'a>);

impl<'a> Columns<'a> {
    pub(super) fn raw(&self, at: usize) -> ValueRef<'a> {
        // Past the last column of our own statement: a bug of ours, and NULL will be refused by name.
        self.0.get_ref(at).unwrap_or(ValueRef::Null)
    }

    fn get<T: FromSql>(&self, at: usize, name: &str) -> Fallible<T> {
        T::column_result(self.raw(at)).map_err(|error| Fault::damaged(name, error))
    }

    pub(super) fn int(&self, at: usize, name: &str) -> Fallible<i64> {
        self.get(at, name)
    }

    pub(super) fn maybe_int(&self, at: usize, name: &str) -> Fallible<Option<i64>> {
        self.get(at, name)
    }

    pub(super) fn u32(&self, at: usize, name: &str) -> Fallible<u32> {
        let value = self.int(at, name)?;
        u32::try_from(value).map_err(|_| Fault::damaged(name, format_args!("is {value}")))
    }

    /// A size of something that was once in memory.
    pub(super) fn size(&self, at: usize, name: &str) -> Fallible<usize> {
        let value = self.maybe_int(at, name)?.unwrap_or(0);
        usize::try_from(value).map_err(|_| Fault::damaged(name, format_args!("is {value}")))
    }

    pub(super) fn time(&self, at: usize, name: &str) -> Fallible<Timestamp> {
        self.int(at, name).map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(&self, at: usize, name: &str) -> Fallible<Option<Timestamp>> {
        Ok(self.maybe_int(at, name)?.map(Timestamp::from_millis))
    }

    pub(super) fn text(&self, at: usize, name: &str) -> Fallible<&'a str> {
        match self.raw(at) {
            ValueRef::Text(text) => {
                std::str::from_utf8(text).map_err(|_| Fault::damaged(name, "is not UTF-8"))
            }
            _ => Err(Fault::damaged(name, "is not a text")),
        }
    }

    pub(super) fn maybe_text(&self, at: usize, name: &str) -> Fallible<Option<&'a str>> {
        match self.raw(at) {
            ValueRef::Null => Ok(None),
            _ => self.text(at, name).map(Some),
        }
    }

    pub(super) fn maybe_blob(&self, at: usize, name: &str) -> Fallible<Option<&'a [u8]>> {
        match self.raw(at) {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => Ok(Some(bytes)),
            _ => Err(Fault::damaged(name, "is not a blob")),
        }
    }

    fn id_bytes(&self, at: usize, name: &str) -> Fallible<[u8; 16]> {
        self.maybe_blob(at, name)?
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| Fault::damaged(name, "is not an id of 16 bytes"))
    }

    pub(super) fn message_id(&self, at: usize, name: &str) -> Fallible<MessageId> {
        self.id_bytes(at, name).map(MessageId::from_bytes)
    }

    pub(super) fn incarnation(&self, at: usize, name: &str) -> Fallible<IncarnationId> {
        self.id_bytes(at, name).map(IncarnationId::from_bytes)
    }

    pub(super) fn maybe_reason(&self, at: usize) -> Fallible<Option<FailReason>> {
        let Some(code) = self.maybe_int(at, "reason")? else {
            return Ok(None);
        };
        let reason = usize::try_from(code)
            .ok()
            .and_then(|code| FailReason::ALL.get(code));
        let damaged = || Fault::damaged("reason", format_args!("is {code}"));
        reason.copied().map(Some).ok_or_else(damaged)
    }

    /// The codec of a payload: NULL stands for JSON, so that most rows need not say it.
    pub(super) fn codec(&self, at: usize, name: &str) -> Fallible<CodecName> {
        match self.maybe_text(at, name)? {
            None => Ok(JSON.clone()),
            Some(text) if text == JSON.as_str() => Ok(JSON.clone()),
            Some(text) => CodecName::new(text).map_err(|error| Fault::damaged(name, error)),
        }
    }

    /// A payload that is there as a whole.
    pub(super) fn payload(&self, codec_at: usize, at: usize, name: &str) -> Fallible<Payload> {
        let bytes = self
            .maybe_blob(at, name)?
            .ok_or_else(|| Fault::damaged(name, "is missing"))?;
        Ok(Payload::new(self.codec(codec_at, name)?, bytes.to_vec()))
    }
}

pub(super) fn state_code(state: State) -> i64 {
    match state {
        State::Scheduled => 0,
        State::Ready => 1,
        State::Running => 2,
        State::Succeeded => 3,
        State::Failed => 4,
        State::Revoked => 5,
    }
}

pub(super) fn decode_state(code: i64) -> Option<State> {
    State::ALL
        .into_iter()
        .find(|state| state_code(*state) == code)
}

/// The state of a message, from what the tables say of it: how it ended, if it did; whether somebody
/// holds it; whether it waits for its time.
pub(super) fn state_of(ended: Option<i64>, running: bool, scheduled: i64) -> Fallible<State> {
    match ended {
        Some(code) => decode_state(code)
            .filter(|state| state.is_terminal())
            .ok_or_else(|| Fault::damaged("outcome.state", format_args!("is {code}"))),
        None if running => Ok(State::Running),
        None => match scheduled {
            0 => Ok(State::Ready),
            1 => Ok(State::Scheduled),
            other => Err(Fault::damaged("scheduled", format_args!("is {other}"))),
        },
    }
}

pub(super) fn reason_code(reason: FailReason) -> i64 {
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
pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn codes_read_back_what_they_write() {
        for state in State::ALL {
            assert_eq!(decode_state(state_code(state)), Some(state));
        }
        assert_eq!(decode_state(6), None);
        for (code, reason) in FailReason::ALL.into_iter().enumerate() {
            assert_eq!(reason_code(reason), i64::try_from(code).unwrap());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_the_name_of_its_column() {
        let db = Connection::open_in_memory().unwrap();
        let check = |sql: &str, read: fn(&Columns<'_>) -> Fallible<()>, expected: &str| {
            let mut statement = db.prepare(&format!("SELECT {sql}")).unwrap();
            let mut rows = statement.query([]).unwrap();
            let row = rows.next().unwrap().unwrap();
            match read(&Columns(row)) {
                Err(Fault::Refused(error)) => {
                    let text = error.to_string();
                    assert!(text.contains(expected), "{sql}: {text}");
                }
                other => panic!("{sql}: {other:?}"),
            }
        };
        check(
            "-1",
            |c| c.u32(0, "claims").map(drop),
            "column claims is -1",
        );
        check(
            "4294967296",
            |c| c.u32(0, "claims").map(drop),
            "column claims",
        );
        check("'x'", |c| c.int(0, "due").map(drop), "column due");
        check(
            "99",
            |c| state_of(c.maybe_int(0, "state")?, true, 0).map(drop),
            "outcome.state is 99",
        );
        check(
            "1",
            |c| state_of(c.maybe_int(0, "state")?, false, 0).map(drop),
            "outcome.state is 1",
        );
        check(
            "7",
            |c| state_of(None, false, c.int(0, "s")?).map(drop),
            "column scheduled is 7",
        );
        check("7", |c| c.maybe_reason(0).map(drop), "column reason is 7");
        check("x'00'", |c| c.message_id(0, "id").map(drop), "column id");
        check(
            "CAST(x'ff' AS TEXT)",
            |c| c.text(0, "queue").map(drop),
            "not UTF-8",
        );
        check(
            "char(10)",
            |c| c.codec(0, "codec").map(drop),
            "column codec",
        );
        check(
            "NULL, NULL",
            |c| c.payload(0, 1, "payload").map(drop),
            "is missing",
        );
        check(
            "-5",
            |c| c.size(0, "result_size").map(drop),
            "result_size is -5",
        );
    }
}
