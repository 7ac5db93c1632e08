//! Messages run by hand.

use std::time::Duration;

use towpath_core::{AttemptError, Draft, Kind, Payload, State, TaskName};
use towpath_runtime::{App, Deliveries};

use crate::support::{SOON, app, record, until};

async fn consumer(app: &App) -> Deliveries {
    app.consumer()
        .tasks(vec![TaskName::new("by-hand").unwrap()])
        .stream()
        .await
        .unwrap()
}

async fn submit(app: &App) -> towpath_core::MessageId {
    let draft = Draft::new(TaskName::new("by-hand").unwrap(), Payload::json("[7]"));
    app.broker().submit(draft).await.unwrap()
}

#[tokio::test]
async fn ack_keeps_the_result() {
    let app = app();
    let id = submit(&app).await;
    let mut deliveries = consumer(&app).await;
    let delivery = deliveries.next().await.unwrap();
    assert_eq!(delivery.args::<(u32,)>().unwrap(), (7,));
    assert!(delivery.is_held());
    delivery.extend().await.unwrap();
    delivery.ack(14).await.unwrap();
    assert_eq!(
        app.broker().results().get::<u32>(id, SOON).await.unwrap(),
        14
    );
    deliveries.stop().await.unwrap();
}

#[tokio::test]
async fn retry_fail_snooze_and_release_move_the_message() {
    let app = app();
    let id = submit(&app).await;
    let mut deliveries = consumer(&app).await;
    let error = || AttemptError::new("test", "no");
    deliveries
        .next()
        .await
        .unwrap()
        .retry(Some(Duration::ZERO), error())
        .await
        .unwrap();
    deliveries
        .next()
        .await
        .unwrap()
        .snooze(Duration::ZERO)
        .await
        .unwrap();
    deliveries.next().await.unwrap().release().await.unwrap();
    let delivery = deliveries.next().await.unwrap();
    let counters = delivery.message().counters;
    assert_eq!(
        (counters.claims, counters.retries, counters.snoozes),
        (4, 1, 1)
    );
    delivery.fail(error()).await.unwrap();
    assert_eq!(record(&app, id).await.state, State::Failed);
    deliveries.stop().await.unwrap();
}

#[tokio::test]
async fn a_dropped_delivery_is_given_back() {
    let app = app();
    let id = submit(&app).await;
    let mut deliveries = consumer(&app).await;
    drop(deliveries.next().await.unwrap());
    let again = deliveries.next().await.unwrap();
    assert_eq!(again.message().counters.retries, 0);
    drop(again);
    deliveries.stop().await.unwrap();
    assert_eq!(until(&app, id, State::Ready).await.counters.retries, 0);
}

#[tokio::test]
async fn a_late_ack_is_refused_by_name() {
    let app = app();
    submit(&app).await;
    let mut deliveries = consumer(&app).await;
    let delivery = deliveries.next().await.unwrap();
    deliveries.stop().await.unwrap();
    assert_eq!(delivery.extend().await.unwrap_err().kind(), Kind::LeaseLost);
    assert_eq!(delivery.ack(()).await.unwrap_err().kind(), Kind::LeaseLost);
}

#[tokio::test]
async fn a_consumer_without_tasks_is_an_error() {
    let error = app().consumer().stream().await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoTasks);
}
