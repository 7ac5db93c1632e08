//! Bare loops over Postgres, for `towpath bench`: what the store would do without a store around it.
//!
//! Both have one connection whose session is told what the store's are told, commit one transaction a call, and have
//! the server forget what was taken as often as the store has.

mod limit;
mod own;
mod probe;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::Client;
use towpath_core::store::{Bare, Yardstick};
use towpath_core::{Error, Kind, Result, StoreUrl};

use super::connection::{Place, SESSION, dial, quoted};
use super::error::Fallible;
use super::{migrate, sweep};

/// The bare loop in the schema that `url` names. Opened from anywhere, dropped anywhere; but its verbs are for
/// threads that may wait.
pub(crate) fn open(url: &StoreUrl, bare: Bare) -> Result<Box<dyn Yardstick>> {
    apart(|| {
        let ground = Ground::open(url)?;
        let opened: Box<dyn Yardstick> = match bare {
            Bare::Own => Box::new(own::Own::new(ground)?),
            Bare::Limit => Box::new(limit::Limit::new(ground)?),
        };
        Ok(opened)
    })
}

/// Does `work` on a thread of its own, because whoever calls may be a task, which must not wait.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let done = scope.spawn(work).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A connection, and another that sweeps; on the thread of whoever calls.
struct Ground {
    /// `None` once it is dropped.
    runtime: Option<Runtime>,
    place: Place,
    client: Client,
    sweeper: std::sync::Arc<Client>,
    /// How much was taken since the last sweep.
    taken: usize,
}

impl Ground {
    fn open(url: &StoreUrl) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            let text = format!("{url}: a bare loop has no runtime");
            Error::new(Kind::Unavailable, text).with_source(error)
        })?;
        let place = Place::of(url)?;
        let connect = async {
            let client = session(&place).await?;
            let sweeper = session(&place).await?;
            Ok::<_, Error>((client, sweeper.into()))
        };
        let (client, sweeper) = runtime.block_on(connect)?;
        Ok(Self {
            runtime: Some(runtime),
            place,
            client,
            sweeper,
            taken: 0,
        })
    }

    /// Does `work` with the connection.
    fn run<T>(&self, work: impl AsyncFnOnce(&Client) -> Fallible<T>) -> Result<T> {
        let runtime = self.runtime.as_ref().expect("it goes with the ground");
        let done = runtime.block_on(work(&self.client));
        done.map_err(|fault| fault.into_error(&self.place.url))
    }

    /// Deletes the schema with all that is in it.
    fn clear(&self) -> Result<()> {
        let drop = format!("DROP SCHEMA {} CASCADE", quoted(&self.place.schema));
        apart(|| self.run(async |client| Ok(client.batch_execute(&drop).await?)))
    }

    /// Counts what was taken, and has `sql` forget it whenever the store would. Nobody waits for it.
    fn sweep(&mut self, taken: usize, sql: &'static str) {
        self.taken += taken;
        if self.taken >= sweep::EVERY {
            self.taken = 0;
            let sweeper = self.sweeper.clone();
            let runtime = self.runtime.as_ref().expect("it goes with the ground");
            runtime.spawn(async move {
                let _or_the_next_time = sweeper.batch_execute(sql).await;
            });
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits for nobody, as whoever drops this may be a task.
            runtime.shutdown_background();
        }
    }
}

/// A connection in the schema, which is made and up to date.
async fn session(place: &Place) -> Result<Client> {
    let (client, wire) = dial(place).await?;
    tokio::spawn(async move {
        let _told_to_the_loop = wire.await;
    });
    let prepare = async {
        client.batch_execute(SESSION).await?;
        migrate::ensure(&client, place).await?;
        let schema = quoted(&place.schema);
        client
            .batch_execute(&format!("SET search_path TO {schema}"))
            .await?;
        Fallible::Ok(())
    };
    prepare
        .await
        .map_err(|fault| fault.into_error(&place.url))?;
    Ok(client)
}
