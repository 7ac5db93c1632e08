//! Update: changes messages that wait.

use bytes::Bytes;
use towpath_core::message::Start;
use towpath_core::store::Update;
use towpath_core::{Draft, Error, Kind, MessageId, Result, Verb};

use super::body::{self, Names};
use super::reply;
use super::revoke::{not_found, refusal};
use super::script::{BODY, UPDATE};
use super::store::Shared;
use super::submit;

/// How often a body is read again that somebody else has changed meanwhile.
const TRIES: usize = 20;

impl Shared {
    pub(super) async fn update(
        &self,
        updates: Vec<(MessageId, Update)>,
    ) -> Result<Vec<Result<()>>> {
        let mut answers = Vec::with_capacity(updates.len());
        for (id, update) in updates {
            answers.push(self.update_one(id, &update).await?);
        }
        Ok(answers)
    }

    /// The script changes nothing unless the body is still the one that was read.
    async fn update_one(&self, id: MessageId, update: &Update) -> Result<Result<()>> {
        for _ in 0..TRIES {
            let Some(body) = self.body(id).await? else {
                return Ok(Err(not_found(id)));
            };
            let mut draft = self.draft_of(id, body.clone())?;
            change(&mut draft, update);
            let mut call = self.call_of(&UPDATE);
            call.bytes(id.as_bytes())
                .bytes(&body)
                .bytes(&body::encode(&draft)?)
                .text(&match update.start {
                    None => String::new(),
                    Some(Start::Now) => "now".to_owned(),
                    Some(start) => submit::start(start),
                });
            let answer = self.call(call).await?;
            let word = self.read(&UPDATE, answer, reply::bytes)?;
            match &*word {
                b"ok" => return Ok(Ok(())),
                b"~" => {}
                word => {
                    let refused = refusal(Verb::Update, id, word);
                    return Ok(Err(refused.map_err(|_| self.translate.answer(UPDATE.name))?));
                }
            }
        }
        let text = format!("message {id}: others keep changing it; try again");
        Ok(Err(Error::new(Kind::Unavailable, text)))
    }

    async fn body(&self, id: MessageId) -> Result<Option<Bytes>> {
        let mut call = self.call_of(&BODY);
        call.bytes(id.as_bytes());
        let answer = self.call(call).await?;
        self.read(&BODY, answer, reply::maybe_bytes)
    }

    fn draft_of(&self, id: MessageId, body: Bytes) -> Result<Draft> {
        let decoded = body::decode(id, body, &mut Names::default());
        let (draft, _submitted_at) = decoded.map_err(|what| self.translate.damaged(id, what))?;
        Ok(draft)
    }

    /// What was asked for under an id; `None` where nothing is.
    pub(super) async fn draft(&self, id: MessageId) -> Result<Option<Draft>> {
        let body = self.body(id).await?;
        body.map(|body| self.draft_of(id, body)).transpose()
    }
}

fn change(draft: &mut Draft, update: &Update) {
    draft.priority = update.priority.unwrap_or(draft.priority);
    draft.start = update.start.unwrap_or(draft.start);
    if let Some(metadata) = &update.metadata {
        draft.options.metadata = metadata.clone();
    }
    if let Some(payload) = &update.payload {
        draft.payload = payload.clone();
    }
}
