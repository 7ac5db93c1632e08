//! Submit within a transaction of the caller's: what is submitted is there exactly if the rest of it is.
//!
//! The connection is his, and not told where our tables are: the function that does it is named with its schema,
//! and finds the rest by itself. Lines are made beforehand, on a connection of ours, so that nobody waits for
//! the end of his transaction.

use std::collections::HashSet;
use std::sync::Arc;

use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};
use towpath_core::{Draft, Error, MessageId, Result};
use uuid::Uuid;

use super::bodies::{DraftColumns, sparse};
use super::connection::quoted;
use super::error::Fallible;
use super::moves::check_batch;
use super::store::PostgresStore;
use super::submit::known;
use super::tx::Tx;

/// What a refusal goes back to, with several messages in one call.
const SAVEPOINT: &str = "towpath_submit";

impl PostgresStore {
    /// Submits messages within a transaction of the caller's, on a connection of his own to the same database.
    ///
    /// They are in the store once the transaction is committed, and workers are woken then; when it is rolled
    /// back they never were. So a message and the rows that it is about are written together or not at all.
    /// Typed tasks give their drafts by `task.submit(&broker, args).draft()`. The hooks `on_submit` do not run:
    /// whether there is a message is known only after the commit.
    ///
    /// All of them are accepted or none: after an error of a kind named here the transaction is as it was, and
    /// can be gone on with. Keep transactions short: a message stands in its line by the time of its
    /// submit, not of the commit, and a second submit of its id waits for the end of this one.
    ///
    /// ```no_run
    /// use towpath_core::{Draft, Payload, StoreUrl, TaskName};
    /// use towpath_stores::postgres::PostgresStore;
    ///
    /// # async fn order(mut client: tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::open(&"postgres://shop@db/shop".parse()?)?;
    /// let transaction = client.transaction().await?;
    /// transaction.execute("INSERT INTO orders (item) VALUES ('cup')", &[]).await?;
    /// let draft = Draft::new(TaskName::new("pack")?, Payload::json(r#"["cup"]"#));
    /// store.submit_in(&transaction, vec![draft]).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Kind::AlreadyExists`](towpath_core::Kind::AlreadyExists) for an id that is known,
    /// [`Kind::Invalid`](towpath_core::Kind::Invalid) for what is out of its limits, and before anything is
    /// written what opening the store says. Anything else is of the caller's connection, whose transaction
    /// can then only be rolled back.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may leave some of the messages in the transaction: roll it back.
    pub async fn submit_in(&self, transaction: &Transaction<'_>, drafts: Vec<Draft>) -> Result<()> {
        let url = &self.shared().place.url;
        check_batch("submit", drafts.len())?;
        check(&drafts)?;
        if drafts.is_empty() {
            return Ok(());
        }
        let drafts: Arc<[Draft]> = drafts.into();
        let theirs = drafts.clone();
        let lines = self
            .verb(async move |tx: &Tx<'_>| tx.lines_of(&theirs).await)
            .await?;
        let submit = Within {
            transaction,
            sql: sql(&self.shared().place.schema),
            now: self
                .shared()
                .clock
                .as_ref()
                .map(|clock| clock.now().as_millis()),
        };
        let submitted = submit.all_or_none(&drafts, &lines).await;
        submitted.map_err(|fault| fault.into_error(url))
    }
}

/// Holds the drafts against every limit, and against each other.
fn check(drafts: &[Draft]) -> Result<()> {
    let mut ids = HashSet::with_capacity(drafts.len());
    for draft in drafts {
        draft.check()?;
        if !ids.insert(draft.id) {
            return Err(Error::invalid(format!(
                "message {} stands twice in one submit",
                draft.id
            )));
        }
    }
    Ok(())
}

fn sql(schema: &str) -> String {
    let schema = quoted(schema);
    format!("SELECT {schema}.submit_within($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
}

struct Within<'a> {
    transaction: &'a Transaction<'a>,
    sql: String,
    now: Option<i64>,
}

impl Within<'_> {
    async fn all_or_none(&self, drafts: &[Draft], lines: &[i32]) -> Fallible<()> {
        // A single one that is known leaves nothing to be taken back.
        let several = drafts.len() > 1;
        if several {
            self.plain(&format!("SAVEPOINT {SAVEPOINT}")).await?;
        }
        let accepted = self.insert(drafts, lines).await?;
        if let Some(draft) = drafts.iter().find(|draft| !accepted.contains(&draft.id)) {
            if several {
                self.plain(&format!(
                    "ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}"
                ))
                .await?;
            }
            return Err(known(draft).into());
        }
        if several {
            self.plain(&format!("RELEASE SAVEPOINT {SAVEPOINT}"))
                .await?;
        }
        Ok(())
    }

    async fn plain(&self, sql: &str) -> Fallible<()> {
        Ok(self.transaction.batch_execute(sql).await?)
    }

    async fn insert(&self, drafts: &[Draft], lines: &[i32]) -> Fallible<HashSet<MessageId>> {
        let mut accepted = HashSet::with_capacity(drafts.len());
        let mut rest = drafts.iter().zip(lines).peekable();
        while rest.peek().is_some() {
            let mut columns = DraftColumns::default();
            while let Some((draft, line)) = rest.next_if(|_| !columns.is_full()) {
                columns.push(draft, *line)?;
            }
            accepted.extend(self.insert_stretch(&columns).await?);
        }
        Ok(accepted)
    }

    async fn insert_stretch(&self, columns: &DraftColumns<'_>) -> Fallible<Vec<MessageId>> {
        // With its types, so that it is not prepared on a connection that may never see it again.
        let params: [(&(dyn ToSql + Sync), Type); 13] = [
            (&self.now, Type::INT8),
            (&columns.ids, Type::UUID_ARRAY),
            (&columns.lines, Type::INT4_ARRAY),
            (&columns.priorities, Type::INT8_ARRAY),
            (&sparse(&columns.starts_after), Type::INT8_ARRAY),
            (&sparse(&columns.starts_at), Type::INT8_ARRAY),
            (&sparse(&columns.expire_in), Type::INT8_ARRAY),
            (&sparse(&columns.keep), Type::INT8_ARRAY),
            (&sparse(&columns.codecs), Type::TEXT_ARRAY),
            (&columns.payloads, Type::BYTEA_ARRAY),
            (&sparse(&columns.options), Type::TEXT_ARRAY),
            (&sparse(&columns.previous_codecs), Type::TEXT_ARRAY),
            (&sparse(&columns.previous), Type::BYTEA_ARRAY),
        ];
        let rows = self.transaction.query_typed(&self.sql, &params).await?;
        let mut accepted = Vec::new();
        for row in &rows {
            let ids: Option<Vec<Uuid>> = row.try_get(0)?;
            let ids = ids.unwrap_or_else(|| columns.ids.clone());
            accepted.extend(ids.into_iter().map(MessageId::from));
        }
        Ok(accepted)
    }
}
