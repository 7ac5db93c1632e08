//! What a verb works with: a connection, the clocks, and who is to be woken once it is done.

use std::cell::{Cell, RefCell};

use futures_util::future::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use towpath_core::store::{Retention, Topic};
use towpath_core::{Clock, Error, IncarnationId, Kind, State, Timestamp};

use super::columns::{Columns, millis};
use super::connection::Link;
use super::driver::Shop;
use super::error::Fallible;
use super::watch::Rings;

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Tx<'a> {
    pub(super) shop: &'a Shop,
    link: &'a Link,
    pub(super) retention: Retention,
    rings: RefCell<Rings>,
    /// Whether a transaction was begun and not ended.
    open: Cell<bool>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(shop: &'a Shop, link: &'a Link) -> Self {
        Self {
            shop,
            link,
            retention: shop.shared.retention(),
            rings: RefCell::default(),
            open: Cell::new(false),
        }
    }

    /// The wall clock that a test has handed in; `None` where the server's counts.
    pub(super) fn now(&self) -> Option<i64> {
        self.clock().map(|clock| clock.now().as_millis())
    }

    /// The lease clock that a test has handed in.
    pub(super) fn uptime(&self) -> Option<i64> {
        self.clock().map(|clock| millis(clock.uptime()))
    }

    fn clock(&self) -> Option<&dyn Clock> {
        self.shop.shared.clock.as_deref()
    }

    pub(super) async fn query(&self, sql: &'static str, params: Params<'_>) -> Fallible<Vec<Row>> {
        self.link.query(sql, params).await
    }

    /// Has these statements known to the connection, so that using them takes one step.
    pub(super) async fn prepare(&self, statements: &[&'static str]) -> Fallible<()> {
        for sql in statements {
            self.link.statement(sql).await?;
        }
        Ok(())
    }

    /// Runs statements that take and answer nothing.
    pub(super) async fn execute_plain(&self, sql: &str) -> Fallible<()> {
        self.link.execute_plain(sql).await
    }

    /// The one row of a statement that always answers one.
    pub(super) async fn query_one(&self, sql: &'static str, params: Params<'_>) -> Fallible<Row> {
        let mut rows = self.query(sql, params).await?;
        rows.pop().ok_or_else(|| {
            let text = "a statement that always answers a row has answered none";
            Error::new(Kind::Storage, text).into()
        })
    }

    /// The store's wall clock.
    pub(super) async fn wall(&self) -> Fallible<Timestamp> {
        let row = self.query_one("SELECT wall($1)", &[&self.now()]).await?;
        Columns(&row).time("wall")
    }

    /// Begins a transaction; answers the time. In one round trip, once the statement is known.
    pub(super) async fn begin(&self) -> Fallible<Timestamp> {
        self.link.statement("SELECT wall($1)").await?;
        self.open.set(true);
        // Polled in this order, and so sent in this order, one behind the other.
        let (_, now) = try_join(self.link.execute_plain("BEGIN"), self.wall()).await?;
        Ok(now)
    }

    /// Begins a transaction, or goes on in the one that was begun.
    pub(super) async fn begin_plain(&self) -> Fallible<()> {
        if self.open.replace(true) {
            return Ok(());
        }
        self.link.execute_plain("BEGIN").await
    }

    pub(super) async fn commit(&self) -> Fallible<()> {
        if self.open.get() {
            self.link.execute_plain("COMMIT").await?;
            self.open.set(false);
        }
        Ok(())
    }

    /// Whether a transaction was begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// Ends a transaction that was not committed.
    pub(super) async fn roll_back(&self) -> Fallible<()> {
        if self.open.get() {
            self.link.execute_plain("ROLLBACK").await?;
            self.open.set(false);
        }
        Ok(())
    }

    /// Wakes those who wait for `topic`, once the verb is done.
    pub(super) fn ring(&self, topic: Topic) {
        self.rings.borrow_mut().add(topic);
    }

    /// Wakes those who wait for a message that has come to `state`.
    pub(super) fn ring_for(&self, state: State) {
        self.ring(Topic::Change);
        match state {
            State::Ready => self.ring(Topic::Work),
            State::Scheduled => self.ring(Topic::Schedule),
            _ => {}
        }
    }

    pub(super) fn rings(&self) -> Rings {
        *self.rings.borrow()
    }
}

/// The answer to a worker that never joined, left, or was found dead.
pub(super) fn no_lease(incarnation: IncarnationId) -> Error {
    Error::new(
        Kind::LeaseLost,
        format!("worker {incarnation} has no lease: it left, was found dead or never joined"),
    )
}
