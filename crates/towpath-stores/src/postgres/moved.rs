//! Moved messages and results as one array per column: how what was decided reaches the server.

use towpath_core::store::StoredResult;
use towpath_core::{FailReason, Timestamp};

use super::bodies::STATEMENT_BYTES;
use super::columns::{codec_text, reason_code, state_code};
use super::error::Fallible;
use super::row::Row;
use super::tx::Tx;

/// What `finished.result_kind` says.
pub(super) const RESULT_VALUE: i16 = 1;
pub(super) const RESULT_TOO_LARGE: i16 = 2;
pub(super) const RESULT_TAKEN: i16 = 3;

/// Moved messages as one array per column.
#[derive(Default)]
pub(super) struct MoveColumns<'r> {
    numbers: Vec<i64>,
    states: Vec<i16>,
    priorities: Vec<i64>,
    dues: Vec<Option<i64>>,
    claims: Vec<i64>,
    retries: Vec<i64>,
    losses: Vec<i64>,
    strays: Vec<i64>,
    snoozes: Vec<i64>,
    expires: Vec<Option<i64>>,
    kept: Vec<Option<i64>>,
    workers: Vec<Option<i32>>,
    starts: Vec<Option<i64>>,
    reasons: Vec<Option<i16>>,
    pub(super) results: ResultColumns<'r>,
}

impl<'r> MoveColumns<'r> {
    pub(super) fn push(&mut self, row: &'r Row, reason: Option<FailReason>) {
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
        self.numbers.push(row.n);
        self.states.push(state_code(row.state));
        self.priorities.push(row.priority.into());
        self.dues.push(millis(row.due));
        self.claims.push(row.counters.claims.into());
        self.retries.push(row.counters.retries.into());
        self.losses.push(row.counters.losses.into());
        self.strays.push(row.counters.strays.into());
        self.snoozes.push(row.counters.snoozes.into());
        self.expires.push(millis(row.expires));
        self.kept.push(millis(row.kept));
        self.workers.push(row.worker);
        self.starts.push(millis(row.started));
        self.reasons.push(reason.map(reason_code));
        self.results.push(&row.result);
    }

    pub(super) async fn write(&self, tx: &Tx<'_>) -> Fallible<()> {
        tx.query(
            "SELECT shift($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
             $14, $15, $16, $17, $18, $19)",
            &[
                &tx.now(),
                &self.numbers,
                &self.states,
                &self.priorities,
                &self.dues,
                &self.claims,
                &self.retries,
                &self.losses,
                &self.strays,
                &self.snoozes,
                &self.expires,
                &self.kept,
                &self.workers,
                &self.starts,
                &self.reasons,
                &self.results.kinds,
                &self.results.sizes,
                &self.results.codecs,
                &self.results.bodies,
            ],
        )
        .await?;
        Ok(())
    }
}

/// Results as one array per column.
#[derive(Default)]
pub(super) struct ResultColumns<'r> {
    pub(super) kinds: Vec<Option<i16>>,
    pub(super) sizes: Vec<Option<i64>>,
    pub(super) codecs: Vec<Option<&'r str>>,
    pub(super) bodies: Vec<Option<&'r [u8]>>,
    bytes: usize,
}

impl<'r> ResultColumns<'r> {
    /// Whether this is as much as one statement should carry.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= STATEMENT_BYTES
    }

    pub(super) fn push(&mut self, result: &'r StoredResult) {
        let (kind, size, payload) = match result {
            StoredResult::None => (None, None, None),
            StoredResult::Value(payload) => {
                (Some(RESULT_VALUE), Some(payload.len()), Some(payload))
            }
            StoredResult::TooLarge { size } => (Some(RESULT_TOO_LARGE), Some(*size), None),
        };
        self.bytes += payload.map_or(0, towpath_core::Payload::len);
        self.kinds.push(kind);
        self.sizes
            .push(size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)));
        self.codecs
            .push(payload.and_then(|payload| codec_text(payload.codec())));
        self.bodies
            .push(payload.map(|payload| &payload.bytes()[..]));
    }
}
