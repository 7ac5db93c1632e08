//! Whole messages as columns: how a draft is written, and how a message is read.

use std::sync::LazyLock;
use std::time::Duration;

use towpath_core::message::Start;
use towpath_core::{Draft, Message, Options, limits};
use uuid::Uuid;

use super::columns::{Columns, codec_text, millis, uuid};
use super::error::{Fallible, Fault};
use super::lines::Lines;
use super::row::read_counters;

/// How many bytes of bodies go into one statement. The protocol has room for a gigabyte; this is what one
/// statement may cost a server.
pub(super) const STATEMENT_BYTES: usize = 16 * 1024 * 1024;

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

pub(super) fn read_options(text: Option<&str>) -> Fallible<Options> {
    text.map_or_else(
        || Ok(Options::default()),
        |text| serde_json::from_str(text).map_err(|error| Fault::damaged("options", error)),
    )
}

/// When a message may start, as two columns: so long after it was accepted, or at a time.
pub(super) fn encode_start(start: Start) -> (Option<i64>, Option<i64>) {
    match start {
        Start::Now => (None, None),
        Start::After(delay) => (Some(millis(delay)), None),
        Start::At(time) => (None, Some(time.as_millis())),
    }
}

/// A column as it is sent: empty where there is nothing in it, which is mostly so.
pub(super) fn sparse<T>(column: &[Option<T>]) -> &[Option<T>] {
    if column.iter().all(Option::is_none) {
        return &[];
    }
    column
}

/// Drafts as one array per column.
#[derive(Default)]
pub(super) struct DraftColumns<'d> {
    pub(super) ids: Vec<Uuid>,
    pub(super) lines: Vec<i32>,
    pub(super) priorities: Vec<i64>,
    pub(super) starts_after: Vec<Option<i64>>,
    pub(super) starts_at: Vec<Option<i64>>,
    pub(super) expire_in: Vec<Option<i64>>,
    pub(super) keep: Vec<Option<i64>>,
    pub(super) codecs: Vec<Option<&'d str>>,
    pub(super) payloads: Vec<&'d [u8]>,
    pub(super) options: Vec<Option<String>>,
    pub(super) previous_codecs: Vec<Option<&'d str>>,
    pub(super) previous: Vec<Option<&'d [u8]>>,
    bytes: usize,
}

impl<'d> DraftColumns<'d> {
    /// Whether this is as much as one statement should carry.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= STATEMENT_BYTES
    }

    pub(super) fn push(&mut self, draft: &'d Draft, line: i32) -> Fallible<()> {
        let options = encode_options(&draft.options)?;
        let (after, at) = encode_start(draft.start);
        let previous = draft.previous_result.as_ref();
        self.bytes += draft.payload.len()
            + previous.map_or(0, towpath_core::Payload::len)
            + options.as_ref().map_or(0, String::len);
        self.ids.push(uuid(draft.id));
        self.lines.push(line);
        self.priorities.push(draft.priority.into());
        self.starts_after.push(after);
        self.starts_at.push(at);
        self.expire_in.push(draft.options.expires_in.map(millis));
        self.keep.push(draft.options.result_ttl.map(keep_millis));
        self.codecs.push(codec_text(draft.payload.codec()));
        self.payloads.push(draft.payload.bytes());
        self.options.push(options);
        self.previous_codecs
            .push(previous.map(|previous| previous.codec().as_str()));
        self.previous
            .push(previous.map(|previous| &previous.bytes()[..]));
        Ok(())
    }
}

/// How long something is kept, so that a time and it can be added.
pub(super) fn keep_millis(duration: Duration) -> i64 {
    millis(duration.min(limits::LONGEST * 100))
}

fn read_start(columns: &Columns<'_>) -> Fallible<Start> {
    if let Some(after) = columns.maybe_long("start_after")? {
        let after = u64::try_from(after)
            .map_err(|_| Fault::damaged("start_after", format_args!("is {after}")))?;
        return Ok(Start::After(Duration::from_millis(after)));
    }
    let time = columns.maybe_time("start_at")?;
    Ok(time.map_or(Start::Now, Start::At))
}

/// Reads a message whose line was met.
pub(super) fn read_message(columns: &Columns<'_>, lines: &Lines) -> Fallible<Message> {
    let line = lines.name(columns.int("line")?)?;
    let draft = Draft {
        id: columns.message_id("id")?,
        task: line.task,
        queue: line.queue,
        payload: columns.payload("codec", "payload")?,
        priority: columns.u32("priority")?,
        start: read_start(columns)?,
        options: read_options(columns.maybe_text("options")?)?,
        previous_result: columns.maybe_payload("previous_codec", "previous")?,
    };
    Ok(Message {
        draft,
        counters: read_counters(columns)?,
        submitted_at: columns.time("submitted")?,
        saved: columns.maybe_payload("saved_codec", "saved")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use towpath_core::{Payload, TaskName, Timestamp};

    #[test]
    fn default_options_take_no_room() {
        assert!(encode_options(&Options::default()).unwrap().is_none());
        let options = Options {
            expires_in: Some(Duration::from_secs(1)),
            ..Options::default()
        };
        let text = encode_options(&options).unwrap();
        assert_eq!(text.as_deref(), Some(r#"{"expires_in_ms":1000}"#));
        assert_eq!(read_options(text.as_deref()).unwrap(), options);
        assert!(read_options(Some("{")).is_err());
    }

    #[test]
    fn every_start_has_columns_of_its_own() {
        assert_eq!(encode_start(Start::Now), (None, None));
        let after = Start::After(Duration::from_secs(2));
        assert_eq!(encode_start(after), (Some(2_000), None));
        let at = Start::At(Timestamp::from_millis(7));
        assert_eq!(encode_start(at), (None, Some(7)));
    }

    #[test]
    fn of_a_column_all_or_nothing_is_sent() {
        assert!(sparse(&[None::<i64>, None]).is_empty());
        assert_eq!(sparse(&[None, Some(1)]), [None, Some(1)]);
    }

    #[test]
    fn a_statement_carries_no_more_than_its_share() {
        let task = TaskName::new("t").unwrap();
        let payload = Payload::json(vec![b'1'; limits::PAYLOAD_BYTES]);
        let draft = Draft::new(task, payload);
        let mut columns = DraftColumns::default();
        while !columns.is_full() {
            columns.push(&draft, 1).unwrap();
        }
        assert_eq!(columns.ids.len(), STATEMENT_BYTES / limits::PAYLOAD_BYTES);
    }

    #[test]
    fn what_is_kept_for_ever_can_be_added_to_a_time() {
        let now = 1_700_000_000_000_i64;
        assert!(now.checked_add(keep_millis(Duration::MAX)).is_some());
    }
}
