//! Claim: hands out ready messages, in the order of the selection. The work is in `functions/claim.sql`.

use tokio_postgres::Row;
use towpath_core::store::{Claim, Selection, Topic};
use towpath_core::{Error, Message, MessageId, QueueName, TaskName, limits};
use uuid::Uuid;

use super::bodies::{keep_millis, read_message};
use super::columns::Columns;
use super::damage::bury;
use super::error::{Fallible, Fault};
use super::tx::{Tx, no_lease};

/// How many expired messages one claim fails in passing before it asks to be called again.
pub(super) const ASIDE_MAX: i32 = 1_000;
const _: () = assert!(ASIDE_MAX as usize == limits::UPKEEP_ROWS);

pub(super) const CLAIM: &str = "SELECT * FROM claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(super) async fn claim(tx: &Tx<'_>, claim: &Claim) -> Fallible<Vec<Message>> {
    let claimed = ask(tx, claim).await?;
    if is_refused(&claimed)? {
        return Err(no_lease(claim.incarnation).into());
    }
    read(tx, claim, claimed).await
}

/// Takes messages; what was taken is to be [read](read) once that is committed.
pub(super) async fn ask(tx: &Tx<'_>, claim: &Claim) -> Fallible<Vec<Row>> {
    let (mut queues, mut tasks): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let (mut in_turn, mut paired) = (false, false);
    match &*claim.selection {
        Selection::Any { tasks: known } => {
            in_turn = true;
            tasks = known.iter().map(TaskName::as_str).collect();
        }
        Selection::Queues {
            queues: wanted,
            tasks: known,
        } => {
            queues = wanted.iter().map(QueueName::as_str).collect();
            tasks = known.iter().map(TaskName::as_str).collect();
        }
        Selection::Tasks(pairs) => {
            paired = true;
            for (queue, known) in pairs {
                for task in known {
                    queues.push(queue.as_str());
                    tasks.push(task.as_str());
                }
            }
        }
    }
    let most = i32::try_from(claim.max.min(limits::BATCH)).unwrap_or(i32::MAX);
    let turn = i64::try_from(claim.turn & (u64::MAX >> 1)).unwrap_or(0);
    let bytes_max = i64::try_from(limits::CLAIM_BYTES).unwrap_or(i64::MAX);
    let who = Uuid::from_bytes(*claim.incarnation.as_bytes());
    let keep_dead = keep_millis(tx.retention.dead);
    tx.query(
        CLAIM,
        &[
            &tx.now(),
            &who,
            &most,
            &in_turn,
            &turn,
            &paired,
            &queues,
            &tasks,
            &bytes_max,
            &ASIDE_MAX,
            &keep_dead,
        ],
    )
    .await
}

/// Whether the answer to [`ask`] is that the worker has no lease.
fn is_refused(claimed: &[Row]) -> Fallible<bool> {
    let Some(last) = claimed.last() else {
        return Ok(false);
    };
    let columns = Columns(last);
    let told: Option<Uuid> = columns.get("id")?;
    Ok(told.is_none() && columns.maybe_long("claims")?.is_none())
}

/// Reads what was taken. A message that cannot be read is made a dead letter: it is held already, and
/// nobody else can be handed it.
pub(super) async fn read(tx: &Tx<'_>, claim: &Claim, claimed: Vec<Row>) -> Fallible<Vec<Message>> {
    let lines = claimed
        .iter()
        .filter_map(|row| Columns(row).maybe_int("line").ok().flatten());
    tx.meet_lines(lines).await?;
    let mut messages = Vec::with_capacity(claimed.len());
    let mut bytes = 0;
    for row in &claimed {
        let columns = Columns(row);
        tx.ring(Topic::Change);
        if columns.get::<Option<Uuid>>("id")?.is_none() {
            note_expired(tx, &columns)?;
            continue;
        }
        match read_message(&columns, &tx.shop.lines) {
            Ok(message) => {
                bytes += message.payload.len();
                messages.push(message);
            }
            Err(Fault::Refused(error)) => put_aside(tx, columns.message_id("id")?, &error).await,
            Err(engine) => return Err(engine),
        }
    }
    tx.shop.swept.add(claimed.len());
    if bytes >= limits::CLAIM_BYTES && messages.len() < claim.max {
        // There may be more behind: whoever waits for work is to ask again.
        tx.ring(Topic::Work);
    }
    Ok(messages)
}

/// What was taken with it is committed: that this fails, which leaves it with its worker until an audit or
/// the end of the lease, must not have the whole verb fail, or be done again.
async fn put_aside(tx: &Tx<'_>, id: MessageId, error: &Error) {
    if let Err(fault) = bury(tx, id, error).await {
        tracing::error!(message = %id, ?fault, "a damaged record stays with its worker");
        // Where this fails, too, the connection is not used again.
        let _undone = tx.roll_back().await;
    }
}

fn note_expired(tx: &Tx<'_>, columns: &Columns<'_>) -> Fallible<()> {
    if columns.maybe_long("claims")? >= Some(ASIDE_MAX.into()) {
        tx.ring(Topic::Work);
    }
    Ok(())
}

/// The answer to a worker whose claim came with a settle: nothing, when it has no lease.
pub(super) async fn read_with_settle(
    tx: &Tx<'_>,
    claim: &Claim,
    claimed: Vec<Row>,
) -> Fallible<Vec<Message>> {
    if is_refused(&claimed)? {
        return Ok(Vec::new());
    }
    read(tx, claim, claimed).await
}
