//! The listener: hears what other processes ring, on a connection of its own.
//!
//! It is started by the first watch. Whenever it has connected it rings every bell, because it cannot know
//! what it has missed; and it asks the server now and then, because a connection whose other end is gone is
//! otherwise silent, which is what it is when nothing happens, too.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use tokio_postgres::{AsyncMessage, Client};
use towpath_core::Result;
use towpath_core::store::Topic;

use super::connection::{Wire, dial, timed_out};
use super::driver::Shop;
use super::error::translate;
use super::store::Shared;
use super::watch::Rings;

/// How often the server is asked whether it is there, and how long it may take to say so.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(5);
/// The longest wait before the next try to connect.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Listens until the store is closed. On the thread of a driver.
pub(super) async fn listen(shop: Rc<Shop>) {
    let shared = &shop.shared;
    let mut closed = shared.closed();
    let mut failures = 0_u32;
    loop {
        let heard = tokio::select! {
            heard = listen_once(shared, &mut failures) => heard,
            _ = closed.wait_for(|closed| *closed) => return,
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "does not hear other processes; will connect again");
        }
        let longest =
            BACKOFF_MAX.min(Duration::from_millis(50) * 2_u32.saturating_pow(failures.min(10)));
        failures = failures.saturating_add(1);
        tokio::select! {
            () = tokio::time::sleep(longest.mul_f64(fastrand::f64())) => {}
            _ = closed.wait_for(|closed| *closed) => return,
        }
    }
}

/// Listens until the connection is lost.
async fn listen_once(shared: &Shared, failures: &mut u32) -> Result<()> {
    let (client, wire) = dial(&shared.place).await?;
    let hear = hear(shared, wire);
    let keep = async {
        let channel = shared.place.channel();
        ask(shared, &client, &format!("LISTEN {channel}")).await?;
        *failures = 0;
        shared.bells.ring_all();
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            ask(shared, &client, "SELECT 1").await?;
            // Whoever should have rung may have died: subscribers look now and then by themselves.
            shared.bells.ring_one(Topic::Publish);
        }
    };
    tokio::select! {
        lost = hear => lost,
        lost = keep => lost,
    }
}

async fn ask(shared: &Shared, client: &Client, sql: &str) -> Result<()> {
    match tokio::time::timeout(ANSWER, client.batch_execute(sql)).await {
        Ok(answered) => answered.map_err(|error| translate(error, &shared.place.url)),
        Err(_) => Err(timed_out(&shared.place.url)),
    }
}

/// Drives the wire, and rings what is heard on it.
async fn hear(shared: &Shared, mut wire: Wire) -> Result<()> {
    while let Some(message) = poll_fn(|context| wire.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notification(heard)) => match Rings::parse(heard.payload()) {
                Some(rings) => shared.bells.ring(rings),
                // Somebody else's, or of a newer program: better once too often.
                None => shared.bells.ring_all(),
            },
            Ok(_) => {}
            Err(error) => return Err(translate(error, &shared.place.url)),
        }
    }
    Err(timed_out(&shared.place.url))
}
