//! Opening: from nothing, by many at once, beside others, and where it cannot be.

use towpath_core::{Error, Kind, Result, Store, StoreUrl};

use super::place::{beside, draft, fresh, given, namespace, open};

async fn submit(store: &dyn Store) -> Result<()> {
    store.submit(vec![draft()]).await?.remove(0)
}

async fn refused(url: &StoreUrl) -> Error {
    submit(&*open(url)).await.expect_err("it cannot be opened")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_open_a_new_namespace_at_once_one_migrates() {
    let Some(url) = given() else { return };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = open(&url);
        tasks.spawn(async move { submit(&*store).await });
    }
    for submitted in tasks.join_all().await {
        submitted.unwrap();
    }
    let sql = "SELECT count(*), count(applied_at) FROM migration WHERE number = 1";
    let row = beside(&url).await.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1));
    assert_eq!(open(&url).counts().await.unwrap().ready, 8);
}

#[tokio::test]
async fn any_name_is_a_namespace_of_its_own() {
    let Some(url) = given() else { return };
    let odd = [
        "it's \"mine\"",
        "\"; DROP SCHEMA x; --",
        "$$ \\ %s {} ' \u{1f6a2}",
        "Upper",
        "upper",
    ];
    // The server may have been used by another run of this test.
    let run = towpath_core::MessageId::new();
    for name in odd {
        let url = url
            .clone()
            .with_namespace(namespace(&format!("{name}{run}")));
        let store = open(&url);
        submit(&*store).await.unwrap();
        assert_eq!(store.doctor().await.unwrap(), [], "{name:?}");
        assert_eq!(store.counts().await.unwrap().ready, 1, "{name:?}");
    }
}

#[tokio::test]
async fn namespaces_share_nothing() {
    let Some(url) = given() else { return };
    let one = open(&url);
    let other = open(&given().unwrap());
    let again = draft();
    for store in [&one, &other] {
        let answers = store.submit(vec![again.clone()]).await.unwrap();
        assert!(answers[0].is_ok());
    }
    one.remove(vec![again.id]).await.unwrap();
    assert_eq!(other.counts().await.unwrap().ready, 1);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(url) = given() else { return };
    submit(&*open(&url)).await.unwrap();
    let sql = "INSERT INTO migration (number) VALUES (999)";
    beside(&url).await.batch_execute(sql).await.unwrap();
    let error = refused(&url).await;
    assert_eq!(error.kind(), Kind::Incompatible);
    assert!(error.to_string().contains("schema 999"), "{error}");
}

#[tokio::test]
async fn the_tables_of_another_program_are_left_alone() {
    let Some(url) = given() else { return };
    let schema = url.namespace();
    let sql =
        format!("CREATE SCHEMA \"{schema}\"; CREATE TABLE \"{schema}\".migration (number int)");
    beside(&url).await.batch_execute(&sql).await.unwrap();
    let error = refused(&url).await;
    assert_eq!(error.kind(), Kind::Incompatible);
    assert!(error.to_string().contains("another program"), "{error}");
}

#[tokio::test]
async fn an_empty_schema_may_be_there_and_is_all_that_a_user_needs() {
    let Some(url) = given() else { return };
    let beside = beside(&url).await;
    let schema = url.namespace();
    let role = format!("r{}", towpath_core::MessageId::new()).replace('-', "");
    let sql = format!("CREATE ROLE {role} LOGIN");
    beside.batch_execute(&sql).await.unwrap();
    let port = url.server().unwrap().hosts()[0].port.unwrap();
    let theirs = fresh(&format!("postgres://{role}@127.0.0.1:{port}/towpath"));

    let error = refused(&theirs).await;
    assert_eq!(error.kind(), Kind::Incompatible);
    assert!(error.to_string().contains("towpath migrate up"), "{error}");

    let sql = format!("CREATE SCHEMA \"{schema}\" AUTHORIZATION {role}");
    beside.batch_execute(&sql).await.unwrap();
    let theirs = theirs.with_namespace(schema.clone());
    submit(&*open(&theirs)).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_was_dropped_is_told_as_such() {
    let Some(url) = given() else { return };
    let store = open(&url);
    submit(&*store).await.unwrap();
    let sql = format!("DROP SCHEMA \"{}\" CASCADE", url.namespace());
    beside(&url).await.batch_execute(&sql).await.unwrap();
    let error = submit(&*store).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Incompatible, "{error}");
    submit(&*open(&url)).await.unwrap();
}

#[tokio::test]
async fn a_database_that_there_is_not_is_told_as_such() {
    let Some(url) = given() else { return };
    let port = url.server().unwrap().hosts()[0].port.unwrap();
    let error = refused(&fresh(&format!(
        "postgres://towpath@127.0.0.1:{port}/nowhere"
    )))
    .await;
    assert_eq!(error.kind(), Kind::Storage);
    assert!(error.to_string().contains("create the database"), "{error}");
}

#[tokio::test]
async fn a_server_out_of_reach_may_be_tried_again_and_tells_no_secret() {
    let url: StoreUrl = "postgres://u:hunter2@127.0.0.1:1/d".parse().unwrap();
    let error = refused(&url).await;
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.is_transient());
    let text = format!("{error} {error:?}");
    assert!(text.contains("postgres://u@127.0.0.1:1/d"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_store_that_was_never_used_is_closed_without_a_server() {
    let url: StoreUrl = "postgres://127.0.0.1:1/d".parse().unwrap();
    let store = open(&url);
    store.close().await.unwrap();
    assert_eq!(submit(&*store).await.unwrap_err().kind(), Kind::Stopped);
}

#[tokio::test]
async fn a_store_by_a_configuration_of_the_client_is_the_one_that_its_url_names() {
    let Some(url) = given() else { return };
    let server = url.server().unwrap();
    let mut config = tokio_postgres::Config::new();
    config
        .host(&server.hosts()[0].name)
        .port(server.hosts()[0].port.unwrap())
        .user(server.user().unwrap())
        .dbname(server.database().unwrap())
        .application_name("of their own");
    let namespace = url.namespace().clone();
    let store = towpath_stores::postgres::PostgresStore::from_config(config, namespace).unwrap();
    submit(&store).await.unwrap();
    assert_eq!(store.url(), url.to_string());
    assert_eq!(open(&url).counts().await.unwrap().ready, 1);
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'of their own'";
    let row = beside(&url).await.query_one(sql, &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) > 0);
}

#[cfg(not(feature = "tls"))]
#[test]
fn encryption_that_is_not_in_the_build_is_told_as_such() {
    let url: StoreUrl = "postgres://u:hunter2@h/d?sslmode=require".parse().unwrap();
    let error = towpath_stores::postgres::PostgresStore::open(&url).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    let text = error.to_string();
    assert!(text.contains("the feature `tls`"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
