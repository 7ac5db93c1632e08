//! The body of a message: what was asked for, as it stands in the store until the message is gone.
//!
//! The scripts read its head, up to the task (see `lua/message.lua`); the rest is read by clients alone.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use towpath_core::message::Start;
use towpath_core::name::CodecName;
use towpath_core::{Draft, MessageId, Options, Payload, QueueName, TaskName, Timestamp};

use super::bytes::{Damaged, Reader, millis, put_i64, put_long, put_short, text};

/// The element's flag of a message whose body a claim must look into.
pub(super) const READ_BODY: u8 = 2;
/// The element's flag of a message that expires.
pub(super) const EXPIRES: u8 = 4;
/// For a duration that there is not.
const NONE: i64 = -1;

static DEFAULT_OPTIONS: LazyLock<Options> = LazyLock::new(Options::default);

/// What the element of a line says of this message.
pub(super) fn flag(draft: &Draft) -> u8 {
    let mut flag = 0;
    if draft.options.result_ttl.is_some() {
        flag |= READ_BODY;
    }
    if draft.options.expires_in.is_some() {
        flag |= READ_BODY | EXPIRES;
    }
    flag
}

/// The body of a draft, without the time of its submit, which the server puts behind it.
///
/// # Errors
///
/// When the options cannot be written as JSON.
pub(super) fn encode(draft: &Draft) -> towpath_core::Result<Vec<u8>> {
    let maybe = |duration: Option<Duration>| duration.map_or(NONE, millis);
    let (queue, task) = (draft.queue.as_str(), draft.task.as_str());
    let mut out = Vec::with_capacity(64 + queue.len() + task.len() + draft.payload.len());
    out.push(flag(draft));
    out.extend_from_slice(&draft.priority.to_be_bytes());
    put_i64(&mut out, maybe(draft.options.result_ttl));
    put_i64(&mut out, maybe(draft.options.expires_in));
    // Names have 1 to 255 bytes.
    out.push(u8::try_from(queue.len()).unwrap_or(u8::MAX));
    out.push(u8::try_from(task.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(queue.as_bytes());
    out.extend_from_slice(task.as_bytes());
    put_start(&mut out, draft.start);
    put_options(&mut out, &draft.options)?;
    match &draft.previous_result {
        None => out.push(0),
        Some(previous) => {
            put_short(&mut out, previous.codec().as_str().as_bytes());
            put_long(&mut out, previous.bytes());
        }
    }
    put_short(&mut out, draft.payload.codec().as_str().as_bytes());
    out.extend_from_slice(draft.payload.bytes());
    Ok(out)
}

fn put_start(out: &mut Vec<u8>, start: Start) {
    let (kind, number) = match start {
        Start::Now => (0, 0),
        Start::After(delay) => (1, millis(delay)),
        Start::At(time) => (2, time.as_millis()),
    };
    out.push(kind);
    put_i64(out, number);
}

fn put_options(out: &mut Vec<u8>, options: &Options) -> towpath_core::Result<()> {
    if *options == *DEFAULT_OPTIONS {
        put_long(out, b"");
        return Ok(());
    }
    let json = serde_json::to_vec(options).map_err(|error| {
        towpath_core::Error::invalid(format!("the options cannot be written as JSON: {error}"))
    })?;
    put_long(out, &json);
    Ok(())
}

/// Names that were read last. Most messages of a batch have the same, and so share them.
#[derive(Debug, Default)]
pub(super) struct Names {
    queue: Option<QueueName>,
    task: Option<TaskName>,
    codec: Option<CodecName>,
}

fn same<T: AsRef<str> + Clone>(
    last: &mut Option<T>,
    bytes: &[u8],
    new: impl FnOnce(&str) -> towpath_core::Result<T>,
) -> Result<T, Damaged> {
    if let Some(last) = last
        .as_ref()
        .filter(|last| last.as_ref().as_bytes() == bytes)
    {
        return Ok(last.clone());
    }
    let name = new(text(bytes)?).map_err(|_| Damaged("has a name that is none"))?;
    *last = Some(name.clone());
    Ok(name)
}

impl Names {
    pub(super) fn codec(&mut self, bytes: &[u8]) -> Result<CodecName, Damaged> {
        same(&mut self.codec, bytes, |name| CodecName::new(name))
    }
}

/// The draft in a body, and when it was submitted.
pub(super) fn decode(
    id: MessageId,
    mut body: Bytes,
    names: &mut Names,
) -> Result<(Draft, Timestamp), Damaged> {
    let time_at = body.len().checked_sub(size_of::<i64>());
    let time = body.split_off(time_at.ok_or(Damaged("ends too early"))?);
    let submitted_at = Reader::new(time).time()?;
    Ok((draft(id, body, names)?, submitted_at))
}

/// The draft in a body without its end.
pub(super) fn draft(id: MessageId, body: Bytes, names: &mut Names) -> Result<Draft, Damaged> {
    let mut reader = Reader::new(body);
    let _flag = reader.u8()?;
    let priority = reader.u32()?;
    let (_ttl, _expires_in) = (reader.i64()?, reader.i64()?);
    let (queue_len, task_len) = (reader.u8()?, reader.u8()?);
    let queue = reader.take(queue_len.into())?;
    let queue = same(&mut names.queue, &queue, |name| QueueName::new(name))?;
    let task = reader.take(task_len.into())?;
    let task = same(&mut names.task, &task, |name| TaskName::new(name))?;
    let start = read_start(&mut reader)?;
    let options = read_options(&reader.long()?)?;
    let previous_codec = reader.short()?;
    let previous_result = if previous_codec.is_empty() {
        None
    } else {
        let codec = names.codec(&previous_codec)?;
        Some(Payload::new(codec, reader.long()?))
    };
    let codec = names.codec(&reader.short()?)?;
    Ok(Draft {
        id,
        task,
        queue,
        payload: Payload::new(codec, reader.rest()),
        priority,
        start,
        options,
        previous_result,
    })
}

fn read_start(reader: &mut Reader) -> Result<Start, Damaged> {
    let (kind, number) = (reader.u8()?, reader.i64()?);
    match kind {
        0 => Ok(Start::Now),
        1 => {
            let millis = u64::try_from(number).map_err(|_| Damaged("has a delay below zero"))?;
            Ok(Start::After(Duration::from_millis(millis)))
        }
        2 => Ok(Start::At(Timestamp::from_millis(number))),
        _ => Err(Damaged("has an unknown start")),
    }
}

fn read_options(json: &[u8]) -> Result<Options, Damaged> {
    if json.is_empty() {
        return Ok(Options::default());
    }
    serde_json::from_slice(json).map_err(|_| Damaged("has options that cannot be read"))
}
