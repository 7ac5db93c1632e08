//! The answers of scripts, taken apart. Whatever comes from a server may be anything.

use bytes::Bytes;
use redis::Value;

/// An answer that is not of the form that the script gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected;

pub(super) fn array(value: Value) -> Result<Vec<Value>, Unexpected> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Unexpected),
    }
}

pub(super) fn bytes(value: Value) -> Result<Bytes, Unexpected> {
    maybe_bytes(value)?.ok_or(Unexpected)
}

/// Bytes, or nothing.
pub(super) fn maybe_bytes(value: Value) -> Result<Option<Bytes>, Unexpected> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        Value::SimpleString(text) => Ok(Some(text.into_bytes().into())),
        _ => Err(Unexpected),
    }
}

/// A number, as such or as text. Scores are written as decimals when they are large.
pub(super) fn number(value: &Value) -> Result<i64, Unexpected> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::BulkString(bytes) => parse(bytes).ok_or(Unexpected),
        Value::Double(number) => Ok(whole(*number)),
        _ => Err(Unexpected),
    }
}

pub(super) fn maybe_number(value: &Value) -> Result<Option<i64>, Unexpected> {
    match value {
        Value::Nil => Ok(None),
        value => number(value).map(Some),
    }
}

pub(super) fn count(value: &Value) -> Result<usize, Unexpected> {
    usize::try_from(number(value)?).map_err(|_| Unexpected)
}

/// Yes or no to each of so many, as a text of 1 and 0.
pub(super) fn flags(value: Value, len: usize) -> Result<Vec<bool>, Unexpected> {
    let flags = bytes(value)?;
    if flags.len() != len {
        return Err(Unexpected);
    }
    Ok(flags.iter().map(|flag| *flag == b'1').collect())
}

/// Two values for each of so many.
pub(super) fn pairs(value: Value, len: usize) -> Result<Vec<(Value, Value)>, Unexpected> {
    let values = array(value)?;
    if values.len() != len * 2 {
        return Err(Unexpected);
    }
    let mut values = values.into_iter();
    Ok(std::iter::from_fn(|| values.next().zip(values.next())).collect())
}

/// A stretch of something that is in order: the place where it ends, if there may be more behind, and what
/// was found in it.
pub(super) fn stretch(value: Value) -> Result<(Option<Bytes>, Vec<Value>), Unexpected> {
    let [more, last, found]: [Value; 3] = array(value)?.try_into().map_err(|_| Unexpected)?;
    let last = maybe_bytes(last)?.filter(|_| yes(&more));
    Ok((last, array(found)?))
}

fn parse(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse().ok().or_else(|| text.parse().ok().map(whole))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates at the last time there is"
)]
fn whole(number: f64) -> i64 {
    number as i64
}

/// Whether a script said yes; one that says no says nothing.
pub(super) fn yes(value: &Value) -> bool {
    !matches!(value, Value::Nil | Value::Int(0) | Value::Boolean(false))
}
