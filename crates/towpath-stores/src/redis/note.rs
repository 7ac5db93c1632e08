//! Note: what a running handler leaves with its message.

use towpath_core::store::Note;
use towpath_core::{Error, IncarnationId, Result, Token};

use super::lease::token as bytes_of;
use super::reply;
use super::script::NOTE;
use super::settle::{not_held, value};
use super::store::Shared;

impl Shared {
    pub(super) async fn note(
        &self,
        incarnation: IncarnationId,
        token: Token,
        note: Note,
    ) -> Result<()> {
        let mut call = self.call_of(&NOTE);
        call.bytes(incarnation.as_bytes()).bytes(&bytes_of(token));
        match note {
            Note::Details(details) => {
                let json = serde_json::to_vec(&details).map_err(|error| {
                    Error::invalid(format!("the details cannot be written as JSON: {error}"))
                })?;
                call.text("g").bytes(&json);
            }
            Note::Saved(payload) => {
                call.text("v").bytes(&value(&payload));
            }
        }
        if reply::yes(&self.call(call).await?) {
            Ok(())
        } else {
            Err(not_held(incarnation, token))
        }
    }
}
