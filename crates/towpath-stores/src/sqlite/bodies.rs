//! The bodies of a message: payload, options, the result before it, its own result. Short ones stay in
//! the message's row; a longer one goes to `blob`, so that moving a message rewrites few bytes.

use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use towpath_core::message::Start;
use towpath_core::name::CodecName;
use towpath_core::{Draft, Message, Options, Payload};

use super::columns::{Columns, millis};
use super::error::{Fallible, Fault};
use super::lines::Line;
use super::row::read_counters;

/// Up to that many bytes a body stays in its message's row: five such rows to a page.
const INLINE_BYTES: usize = 800;

/// Which body of a message, as the key of its blob counts them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    Payload = 0,
    Options = 1,
    Previous = 2,
    Result = 3,
}

impl Body {
    fn key(self, n: i64) -> i64 {
        // Sequence numbers start at 1; the saturation is for a number that somebody made up.
        n.saturating_mul(4).saturating_add(self as i64)
    }
}

/// What of a body stands in its message's row: itself, or nothing when it is too long for that.
pub(super) fn inline(bytes: &[u8]) -> Option<&[u8]> {
    (bytes.len() <= INLINE_BYTES).then_some(bytes)
}

/// Writes a body that is too long for its message's row.
pub(super) fn spill(db: &Connection, n: i64, body: Body, bytes: &[u8]) -> Fallible<()> {
    if inline(bytes).is_none() {
        let sql = "INSERT OR REPLACE INTO blob (b, data) VALUES (?1, ?2)";
        db.prepare_cached(sql)?.execute((body.key(n), bytes))?;
    }
    Ok(())
}

/// Reads a body that is not in its message's row.
pub(super) fn fetch(db: &Connection, n: i64, body: Body) -> Fallible<Vec<u8>> {
    let sql = "SELECT data FROM blob WHERE b = ?1";
    let bytes = db
        .prepare_cached(sql)?
        .query_row([body.key(n)], |row| row.get(0))
        .optional()?;
    bytes.ok_or_else(|| Fault::damaged("blob.data", format_args!("of the {body:?} is missing")))
}

/// Deletes a body that is not in its message's row, if there is one.
pub(super) fn forget(db: &Connection, n: i64, body: Body) -> Fallible<()> {
    let sql = "DELETE FROM blob WHERE b = ?1";
    db.prepare_cached(sql)?.execute([body.key(n)])?;
    Ok(())
}

/// Deletes all bodies that are not in their message's row.
pub(super) fn forget_all(db: &Connection, first: i64, last: i64) -> Fallible<()> {
    let sql = "DELETE FROM blob WHERE b BETWEEN ?1 AND ?2";
    db.prepare_cached(sql)?
        .execute((Body::Payload.key(first), Body::Result.key(last)))?;
    Ok(())
}

/// Reads a body from the row or, where the row has only the mark, from its blob.
pub(super) fn read_payload(
    db: &Connection,
    n: i64,
    body: Body,
    codec: CodecName,
    inline: Option<&[u8]>,
) -> Fallible<Payload> {
    let bytes = match inline {
        Some(bytes) => towpath_core::pack::copy(bytes),
        None => fetch(db, n, body)?.into(),
    };
    Ok(Payload::new(codec, bytes))
}

static DEFAULT_OPTIONS: LazyLock<Options> = LazyLock::new(Options::default);

/// Options as they are stored: nothing when every one has its default.
pub(super) fn encode_options(options: &Options) -> Fallible<Option<String>> {
    if *options == *DEFAULT_OPTIONS {
        return Ok(None);
    }
    let text = serde_json::to_string(options).map_err(|error| {
        towpath_core::Error::invalid(format!("the options cannot be written as JSON: {error}"))
    })?;
    Ok(Some(text))
}

/// The text for the column: itself, or the mark when it is too long.
pub(super) fn inline_options(text: Option<&str>) -> Option<&str> {
    text.map(|text| match inline(text.as_bytes()) {
        Some(_) => text,
        None => "",
    })
}

pub(super) fn read_options(db: &Connection, n: i64, text: Option<&str>) -> Fallible<Options> {
    let damaged = |error| Fault::damaged("options", error);
    match text {
        None => Ok(Options::default()),
        Some("") => serde_json::from_slice(&fetch(db, n, Body::Options)?).map_err(damaged),
        Some(text) => serde_json::from_str(text).map_err(damaged),
    }
}

/// When a message may start, as two columns: so long after it was accepted, or at a time.
pub(super) fn encode_start(start: Start) -> (Option<i64>, Option<i64>) {
    match start {
        Start::Now => (None, None),
        Start::After(delay) => (Some(millis(delay)), None),
        Start::At(time) => (None, Some(time.as_millis())),
    }
}

fn read_start(columns: &Columns<'_>, at: usize) -> Fallible<Start> {
    if let Some(after) = columns.maybe_int(at, "start_after")? {
        let after = u64::try_from(after)
            .map_err(|_| Fault::damaged("start_after", format_args!("is {after}")))?;
        return Ok(Start::After(Duration::from_millis(after)));
    }
    let time = columns.maybe_time(at + 1, "start_at")?;
    Ok(time.map_or(Start::Now, Start::At))
}

/// The columns that every statement which reads whole messages selects first, in this order.
pub(super) const MESSAGE_COLUMNS: usize = 15;

/// Reads a message from a row whose first columns are those of [`MESSAGE_COLUMNS`]. What an earlier
/// attempt saved is elsewhere: see [`read_saved`].
pub(super) fn read_message(
    db: &Connection,
    columns: &Columns<'_>,
    n: i64,
    line: &Line,
) -> Fallible<Message> {
    let payload = read_payload(
        db,
        n,
        Body::Payload,
        columns.codec(10, "codec")?,
        columns.maybe_blob(11, "payload")?,
    )?;
    let previous_result = match columns.maybe_text(13, "previous_codec")? {
        None => None,
        Some(_) => {
            let codec = columns.codec(13, "previous_codec")?;
            let inline = columns.maybe_blob(14, "previous")?;
            Some(read_payload(db, n, Body::Previous, codec, inline)?)
        }
    };
    let draft = Draft {
        id: columns.message_id(0, "id")?,
        task: line.task.clone(),
        queue: line.queue.clone(),
        payload,
        priority: columns.u32(1, "priority")?,
        start: read_start(columns, 8)?,
        options: read_options(db, n, columns.maybe_text(12, "options")?)?,
        previous_result,
    };
    Ok(Message {
        draft,
        counters: read_counters(columns, 2)?,
        submitted_at: columns.time(7, "submitted")?,
        saved: None,
    })
}

/// What an earlier attempt of the message saved for the next.
pub(super) fn read_saved(db: &Connection, n: i64) -> Fallible<Option<Payload>> {
    let sql = "SELECT saved_codec, saved FROM scratch WHERE n = ?1 AND saved_codec IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([n])?;
    let row = rows.next()?;
    row.map(|row| Columns(row).payload(0, 1, "scratch.saved"))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::statement::statement;
    use towpath_core::Timestamp;

    #[test]
    fn the_bodies_of_a_message_have_keys_of_their_own() {
        let keys: Vec<_> = [1, 2]
            .into_iter()
            .flat_map(|n| {
                [Body::Payload, Body::Options, Body::Previous, Body::Result].map(|b| b.key(n))
            })
            .collect();
        assert_eq!(keys, [4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(Body::Result.key(i64::MAX), i64::MAX);
    }

    #[test]
    fn long_bodies_leave_a_mark_and_short_ones_stay() {
        assert!(inline(&[0; INLINE_BYTES]).is_some());
        assert!(inline(&[0; INLINE_BYTES + 1]).is_none());
        assert_eq!(inline_options(None), None);
        assert_eq!(inline_options(Some("{}")), Some("{}"));
        assert_eq!(inline_options(Some(&"x".repeat(900))), Some(""));
    }

    #[test]
    fn default_options_take_no_room() {
        assert!(encode_options(&Options::default()).unwrap().is_none());
        let options = Options {
            expires_in: Some(Duration::from_secs(1)),
            ..Options::default()
        };
        let text = encode_options(&options).unwrap().unwrap();
        assert_eq!(text, r#"{"expires_in_ms":1000}"#);
    }

    #[test]
    fn every_start_has_columns_of_its_own() {
        assert_eq!(encode_start(Start::Now), (None, None));
        assert_eq!(
            encode_start(Start::After(Duration::from_secs(2))),
            (Some(2_000), None)
        );
        assert_eq!(
            encode_start(Start::At(Timestamp::from_millis(7))),
            (None, Some(7))
        );
    }

    #[test]
    fn every_statement_that_reads_messages_selects_the_same_columns_first() {
        fn selected(sql: &str) -> Vec<&str> {
            let (_, list) = sql.split_once("SELECT").unwrap();
            let (list, _) = list.split_once("FROM message").unwrap();
            let names = list.split(',').map(str::trim).take(MESSAGE_COLUMNS);
            names
                .map(|name| name.trim_start_matches("message."))
                .collect()
        }
        let claim = selected(statement!("claim_message"));
        assert_eq!(claim.len(), MESSAGE_COLUMNS);
        assert_eq!(claim, selected(statement!("record")));
    }
}
