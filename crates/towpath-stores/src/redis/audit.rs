//! Audit: looks for messages that no structure leads to, and mends them.

use redis::Value;
use towpath_core::store::{Audit, Cursor, Finding};
use towpath_core::{Error, MessageId, Result};

use super::bytes::{Reader, millis};
use super::reply::{self, Unexpected};
use super::script::AUDIT;
use super::store::Shared;

impl Shared {
    pub(super) async fn audit(&self, after: Option<Cursor>, max: usize) -> Result<Audit> {
        let (place, skip, in_packs) = match after.as_ref().map(|cursor| cursor.0.as_slice()) {
            None => (0, 0, false),
            Some([place, skip, in_packs]) => (*place, *skip, *in_packs != 0),
            Some(_) => return Err(Error::invalid("the cursor is not of an audit")),
        };
        let mut call = self.call_of(&AUDIT);
        call.count(max)
            // The place is any 64 bits.
            .text(&place.cast_unsigned().to_string())
            .number(skip)
            .number(millis(self.retention().dead))
            .text(if in_packs { "B" } else { "b" });
        let answer = self.call(call).await?;
        self.read(&AUDIT, answer, read)
    }
}

fn read(answer: Value) -> Result<Audit, Unexpected> {
    let mut parts = reply::array(answer)?.into_iter();
    let scanned = reply::count(&parts.next().ok_or(Unexpected)?)?;
    let next = match parts.next().ok_or(Unexpected)? {
        Value::Nil => None,
        place => {
            let place = reply::array(place)?;
            let [at, skip, hash] = &place[..] else {
                return Err(Unexpected);
            };
            let at = reply::bytes(at.clone())?;
            let at = std::str::from_utf8(&at)
                .ok()
                .and_then(|at| at.parse::<u64>().ok());
            Some(Cursor(vec![
                at.ok_or(Unexpected)?.cast_signed(),
                reply::number(skip)?,
                i64::from(*reply::bytes(hash.clone())? == *b"B"),
            ]))
        }
    };
    let mended = reply::array(parts.next().ok_or(Unexpected)?)?;
    let mended = mended.chunks(2).map(|pair| {
        let [id, state] = pair else {
            return Err(Unexpected);
        };
        let id = Reader::new(reply::bytes(id.clone())?).id();
        let id = MessageId::from_bytes(id.map_err(|_| Unexpected)?);
        let state = reply::bytes(state.clone())?;
        let state = String::from_utf8_lossy(&state).into_owned();
        Ok(Finding {
            about: format!("message {id}"),
            problem: format!("was {state} and stood nowhere; it stands where it belongs again"),
        })
    });
    Ok(Audit {
        scanned,
        mended: mended.collect::<Result<_, _>>()?,
        next,
    })
}
