//! Migrations by hand: for those whose user may work with the store and not change its schema.

use tokio_postgres::Client;
use towpath_core::store::{SchemaStatus, StoredResult, Verdict};
use towpath_core::url::Migration;
use towpath_core::{Kind, State, StoreUrl};
use towpath_stores::conformance::Worker;
use towpath_stores::postgres::migrate;

use super::place::{beside, draft, every_t, given, open, role};

fn off(url: &StoreUrl) -> StoreUrl {
    url.clone().with_migration(Migration::Off)
}

/// What the guide tells to grant to who works with a store.
async fn grant(client: &Client, url: &StoreUrl, role: &str) {
    let schema = format!("\"{}\"", url.namespace());
    let sql = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}; \
         GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
    );
    client.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_missing_or_old_is_told_with_the_way_to_the_new_one() {
    let Some(url) = given() else { return };
    let error = open(&off(&url)).counts().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Incompatible);
    let text = error.to_string();
    assert!(text.contains("is not there"), "{text}");
    assert!(text.contains("towpath migrate up"), "{text}");

    let known = migrate::known();
    let before = SchemaStatus { applied: 0, known };
    assert_eq!(migrate::status(&url).await.unwrap(), before);
    assert_eq!(migrate::up(&url).await.unwrap(), before);
    let now = migrate::status(&url).await.unwrap();
    assert!(now.is_current());
    assert_eq!(migrate::up(&url).await.unwrap(), now);
    open(&off(&url)).counts().await.unwrap();

    // As a program sees it that is newer than the schema.
    let sql = "DELETE FROM migration WHERE number > 1";
    beside(&url).await.batch_execute(sql).await.unwrap();
    let error = open(&off(&url)).counts().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Incompatible);
    let text = error.to_string();
    assert!(
        text.contains(&format!("is at 1, this program needs {known}")),
        "{text}"
    );
}

#[tokio::test]
async fn the_first_schema_becomes_the_last_with_all_that_is_in_it() {
    let Some(url) = given() else { return };
    migrate::up(&url).await.unwrap();
    let submitted = draft();
    let id = submitted.id;
    open(&url).submit(vec![submitted]).await.unwrap();
    // What came with later migrations, but for functions, which are made anew.
    let sql = "DELETE FROM migration WHERE number > 1; \
        DROP TABLE value, member, channel, published, lock CASCADE; DROP SEQUENCE fence CASCADE";
    beside(&url).await.batch_execute(sql).await.unwrap();
    let known = migrate::known();
    let before = SchemaStatus { applied: 1, known };
    assert_eq!(migrate::up(&url).await.unwrap(), before);
    let store = open(&off(&url));
    assert!(store.get(vec![id]).await.unwrap()[0].is_some());
    store.submit(vec![draft()]).await.unwrap();
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn the_script_that_is_printed_makes_what_opening_makes() {
    let Some(url) = given() else { return };
    let script = migrate::sql(url.namespace().as_str(), 0);
    beside(&url).await.batch_execute(&script).await.unwrap();
    assert!(migrate::status(&url).await.unwrap().is_current());
    let store = open(&off(&url));
    store.submit(vec![draft()]).await.unwrap();
    assert_eq!(store.doctor().await.unwrap(), []);
}

#[tokio::test]
async fn who_may_only_work_with_the_store_does_so() {
    let Some(url) = given() else { return };
    let beside = beside(&url).await;
    let theirs = role(&beside, &url).await;
    migrate::up(&url).await.unwrap();
    grant(&beside, &url, theirs.server().unwrap().user().unwrap()).await;

    let store = open(&off(&theirs));
    let submitted = draft();
    let id = submitted.id;
    store.submit(vec![submitted]).await.unwrap();
    let worker = Worker::join(store.clone()).await;
    let claimed = worker.try_claim(1, every_t()).await.unwrap().remove(0);
    worker.beat(&[claimed.token()]).unwrap();
    let done = Verdict::Done {
        result: StoredResult::None,
        callbacks: Vec::new(),
    };
    worker.settle(claimed.token(), done).await.unwrap();
    let record = store.get(vec![id]).await.unwrap().remove(0).unwrap();
    assert_eq!(record.state, State::Succeeded);
    for upkeep in [
        store.promote(10).await.map(drop),
        store.rescue(10).await.map(drop),
    ] {
        upkeep.unwrap();
    }
    store.prune(10).await.unwrap();
    store.expire(10).await.unwrap();
    assert_eq!(store.doctor().await.unwrap(), []);

    // Also where the URL does not say so: there is nothing to do.
    open(&theirs).counts().await.unwrap();
}
