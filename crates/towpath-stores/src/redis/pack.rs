//! Packs: plain messages of one line that one call submitted one after the other, in one value. (See
//! `lua/pack.lua`.)

use bytes::Bytes;
use towpath_core::life::Counters;
use towpath_core::{Draft, Message, MessageId};

use super::body::{self, Names};
use super::bytes::{Damaged, Reader, put_long};

/// The element's flag of a pack.
pub(super) const FLAG: u8 = 8;
/// Most messages of a pack. Who wants less than a pack has it taken apart, and that is done in one script.
const MESSAGES_MAX: usize = 100;
/// A message with a larger body stands for itself: to write its body costs more than the rest anyway.
const BODY_MAX: usize = 1024;
/// The first byte of a content whose messages have their bodies in it.
const WHOLE: u8 = 0;

/// A message of a call that is made ready to be sent: its place there, which batch it came with, and its body.
pub(super) struct Member<'a> {
    pub(super) place: usize,
    pub(super) batch: usize,
    pub(super) draft: &'a Draft,
    pub(super) body: Vec<u8>,
}

impl Member<'_> {
    fn is_plain(&self) -> bool {
        body::flag(self.draft) == 0 && self.body.len() <= BODY_MAX
    }
}

/// How many of the first of these make a pack; 0 when the first stands for itself. Batches are not mixed: who submits
/// by so many often claims by so many, and a pack that fits is not taken apart.
pub(super) fn fitting(members: &[Member<'_>]) -> usize {
    let in_a_row = |(at, member): &(usize, &Member<'_>)| {
        let is_next = member.place == members[0].place + at && member.batch == members[0].batch;
        member.is_plain() && is_next
    };
    let members_in = members.iter().take(MESSAGES_MAX).enumerate();
    match members_in.take_while(in_a_row).count() {
        1 => 0,
        count => count,
    }
}

/// The content of a pack.
pub(super) fn content(members: &[Member<'_>]) -> Vec<u8> {
    let size = members.iter().map(|member| 20 + member.body.len());
    let mut out = Vec::with_capacity(3 + size.sum::<usize>());
    out.push(WHOLE);
    out.extend_from_slice(&count(members).to_be_bytes());
    for member in members {
        out.extend_from_slice(member.draft.id.as_bytes());
    }
    for member in members {
        put_long(&mut out, &member.body);
    }
    out
}

fn count(members: &[Member<'_>]) -> u16 {
    // It is a pack, and that has few.
    u16::try_from(members.len()).unwrap_or(u16::MAX)
}

/// Reads the messages of a pack that was handed out; `rest` is its element from the flag on.
pub(super) fn handed_out(
    mut rest: Reader,
    content: Bytes,
    names: &mut Names,
    messages: &mut Vec<Message>,
) -> Result<(), Damaged> {
    let _count = rest.u16()?;
    let submitted_at = rest.time()?;
    let mut reader = Reader::new(content);
    let _whole = reader.u8()?;
    let count = reader.u16()?;
    let mut ids = Reader::new(reader.take(16 * usize::from(count))?);
    for _ in 0..count {
        let id = MessageId::from_bytes(ids.id()?);
        messages.push(Message {
            draft: body::draft(id, reader.long()?, names)?,
            counters: Counters {
                claims: 1,
                ..Counters::default()
            },
            submitted_at,
            saved: None,
        });
    }
    Ok(())
}
