//! Requeue, replay and remove: what people do to messages that are done with.

use towpath_core::message::Start;
use towpath_core::{Draft, Error, Kind, MessageId, Result, Verb};

use super::reply;
use super::revoke::{not_found, refusal, state};
use super::script::{REMOVE, REPLAY, REQUEUE};
use super::store::Shared;
use super::submit::{already_exists, put_whole};

impl Shared {
    pub(super) async fn requeue(&self, ids: Vec<MessageId>) -> Result<Vec<Result<()>>> {
        let begin = |shared: &Self| shared.call_of(&REQUEUE);
        self.each(&REQUEUE, &ids, begin, |id, word| {
            Ok(match word {
                b"ok" => Ok(()),
                word => Err(refusal(Verb::Requeue, id, word)?),
            })
        })
        .await
    }

    pub(super) async fn remove(&self, ids: Vec<MessageId>) -> Result<Vec<Result<()>>> {
        let begin = |shared: &Self| shared.call_of(&REMOVE);
        self.each(&REMOVE, &ids, begin, |id, word| {
            Ok(match word {
                b"ok" => Ok(()),
                word => Err(refusal(Verb::Remove, id, word)?),
            })
        })
        .await
    }

    pub(super) async fn replay(&self, ids: Vec<(MessageId, MessageId)>) -> Result<Vec<Result<()>>> {
        let mut answers = Vec::with_capacity(ids.len());
        for (id, new_id) in ids {
            answers.push(self.replay_one(id, new_id).await?);
        }
        Ok(answers)
    }

    /// The body of a message that has ended does not change any more, so it may be read first.
    async fn replay_one(&self, id: MessageId, new_id: MessageId) -> Result<Result<()>> {
        let Some(mut draft): Option<Draft> = self.draft(id).await? else {
            return Ok(Err(not_found(id)));
        };
        draft.id = new_id;
        // Whoever repeats a message wants it now, not after the delay that it once had.
        draft.start = Start::Now;
        draft.options.replay_of = Some(id);
        let mut call = self.call_of(&REPLAY);
        call.bytes(id.as_bytes());
        put_whole(&mut call, 0, &draft)?;
        let answer = self.call(call).await?;
        let word = self.read(&REPLAY, answer, reply::bytes)?;
        Ok(match &*word {
            b"ok" => Ok(()),
            b"+" => Err(already_exists(new_id)),
            b"-" => Err(not_found(id)),
            word => {
                let state = state(word).ok_or_else(|| self.translate.answer(REPLAY.name))?;
                Err(Error::new(
                    Kind::WrongState,
                    format!(
                        "message {id}: cannot replay a message that is {state} (it must be succeeded, failed, revoked)"
                    ),
                ))
            }
        })
    }
}
