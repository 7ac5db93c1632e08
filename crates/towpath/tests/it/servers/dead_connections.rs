//! Connections that go dead without a word.

use towpath_servers::Proxy;

use super::{Server, on_every_server};
use crate::kills::process::SOON;
use crate::kills::tasks::harmless;

on_every_server!(
    dead_connections_are_noticed_and_replaced,
    a_producer_on_a_dead_connection_is_told_within_a_bound_or_waits,
);

/// All connections of a worker go dead: for claims, for its heartbeat, and for being woken.
async fn dead_connections_are_noticed_and_replaced(server: Server) {
    let proxy = Proxy::before(server.port()).unwrap();
    let app = server.app_at(&server.url_by(proxy.port()));
    let worker = app.worker().start().await.unwrap();
    let direct = server.app();
    let first = harmless.submit(&direct.broker(), (1,)).await.unwrap();
    assert_eq!(first.result(SOON).await.unwrap(), 1);
    for n in 2..4 {
        assert!(proxy.let_go_dead() > 0);
        let next = harmless.submit(&direct.broker(), (n,)).await.unwrap();
        assert_eq!(next.result(SOON).await.unwrap(), n);
    }
    worker.stop().await.unwrap();
}

async fn a_producer_on_a_dead_connection_is_told_within_a_bound_or_waits(server: Server) {
    let proxy = Proxy::before(server.port()).unwrap();
    let app = server.app_at(&server.url_by(proxy.port()));
    let broker = app.broker();
    harmless.submit(&broker, (1,)).await.unwrap();
    assert!(proxy.let_go_dead() > 0);
    let told = tokio::time::timeout(SOON, harmless.submit(&broker, (2,)).into_future()).await;
    // It was told, or had a connection that was made meanwhile.
    if let Err(error) = told.expect("a submit ends") {
        assert!(error.is_transient(), "{error}");
    }
    proxy.let_go_dead();
    let patient = broker.with_patience(SOON);
    harmless.submit(&patient, (3,)).await.unwrap();
    let ready = server.app().broker().counts().await.unwrap().ready;
    assert!(ready >= 2, "{ready}");
}
