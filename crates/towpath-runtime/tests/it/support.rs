//! What the tests of this crate share.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use towpath_core::message::Record;
use towpath_core::{MessageId, State, Store, SystemClock};
use towpath_runtime::{App, Context, FnTask, TaskError, TaskSettings, from_fn};
use towpath_stores::memory::MemoryStore;

/// Longest wait of any test for something that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(Arc::new(SystemClock::new())))
}

pub(crate) fn app() -> App {
    App::new(memory())
}

/// A task of that name over an async closure, retried at once.
pub(crate) fn task<A, T, F, Fut>(
    name: &str,
    handler: F,
) -> FnTask<A, T, impl Fn(A, Context) -> towpath_runtime::Body<T> + Send + Sync + 'static>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(A, Context) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
{
    from_fn(at_once(name), handler)
}

/// Settings of that name whose retries wait for nothing.
pub(crate) fn at_once(name: &str) -> TaskSettings {
    TaskSettings::new(name).backoff(towpath_core::Backoff::none())
}

/// Waits until the message has ended, and gives its record.
pub(crate) async fn ended(app: &App, id: MessageId) -> Record {
    use towpath_core::Status::{Failed, Revoked, Succeeded};
    let terminal = [Succeeded, Failed, Revoked];
    app.broker()
        .statuses()
        .wait_for(id, &terminal, SOON)
        .await
        .unwrap();
    record(app, id).await
}

/// Waits until the message is in one of these states, woken by the store, and gives its record.
pub(crate) async fn until(app: &App, id: MessageId, wanted: State) -> Record {
    let mut watch = app.store().watch(towpath_core::store::Topic::Change);
    let reached = async {
        loop {
            let record = record(app, id).await;
            if record.state == wanted {
                return record;
            }
            watch.changed().await;
        }
    };
    tokio::time::timeout(SOON, reached)
        .await
        .expect("the state was not reached")
}

pub(crate) async fn record(app: &App, id: MessageId) -> Record {
    app.broker()
        .get(id)
        .await
        .unwrap()
        .expect("the message is known")
}
