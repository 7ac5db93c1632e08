//! Leases: join, leave, and what has become of a token. (The heartbeat is in `keeper`.)

use std::time::Duration;

use towpath_core::store::{Standing, WorkerCard};
use towpath_core::{Error, IncarnationId, Kind, Result, Token, limits};

use super::bytes::{millis, put_medium};
use super::reply;
use super::script::{Call, JOIN, LEAVE, STANDING};
use super::store::Shared;

pub(super) fn lease_lost(incarnation: IncarnationId) -> Error {
    Error::new(
        Kind::LeaseLost,
        format!("worker {incarnation} has no lease: it left, was found dead or never joined"),
    )
}

/// A token, as the scripts read it.
pub(super) fn token(token: Token) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(token.id.as_bytes());
    bytes[16..].copy_from_slice(&token.claims.to_be_bytes());
    bytes
}

impl Shared {
    pub(super) fn join_call(&self, card: &WorkerCard, lease: Duration) -> Call {
        let mut stored = Vec::new();
        put_medium(&mut stored, card.name.as_bytes());
        let (listens, tasks) = (&card.listens, &card.tasks);
        let rest = serde_json::to_vec(&(listens, tasks));
        stored.extend(rest.expect("names and a text are JSON"));
        let mut call = self.lease_call(&JOIN);
        call.bytes(card.incarnation.as_bytes())
            .number(millis(lease))
            .bytes(&stored);
        call
    }

    pub(super) async fn join(&self, card: WorkerCard, lease: Duration) -> Result<()> {
        if reply::yes(&self.call(self.join_call(&card, lease)).await?) {
            return Ok(());
        }
        let incarnation = card.incarnation;
        let text = format!("worker {incarnation} has joined before; a new life needs a new id");
        Err(Error::new(Kind::AlreadyExists, text))
    }

    pub(super) async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        loop {
            let mut call = self.call_of(&LEAVE);
            call.bytes(incarnation.as_bytes())
                .count(limits::UPKEEP_ROWS);
            // Whoever dies between two of these has begun to leave, and the rescue goes on with it.
            if !reply::yes(&self.call(call).await?) {
                return Ok(());
            }
        }
    }

    pub(super) async fn standing(
        &self,
        incarnation: IncarnationId,
        tokens: Vec<Token>,
    ) -> Result<Vec<Standing>> {
        let mut standings = Vec::with_capacity(tokens.len());
        for tokens in tokens.chunks(limits::UPKEEP_ROWS) {
            let mut call = self.call_of(&STANDING);
            call.bytes(incarnation.as_bytes());
            for held in tokens {
                call.bytes(&token(*held));
            }
            let answer = self.call(call).await?;
            let letters = self.read(&STANDING, answer, |answer| {
                let letters = reply::bytes(answer)?;
                (letters.len() == tokens.len())
                    .then_some(letters)
                    .ok_or(reply::Unexpected)
            })?;
            standings.extend(letters.iter().map(|letter| match letter {
                b'h' => Standing::Held,
                b'r' => Standing::Revoked,
                _ => Standing::Lost,
            }));
        }
        Ok(standings)
    }
}
