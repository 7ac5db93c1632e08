//! A message that kills every worker that runs it.

use towpath::{App, FailReason, MessageId, Status};

use super::process::{LONG, Process, SOON, store_in};
use super::signals::submit_harmless;
use super::tasks::{app, poison};

#[tokio::test]
async fn a_message_that_kills_its_workers_ends_as_a_dead_letter_and_bystanders_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = store_in(&directory);
    let app = app(&store);
    // A worker claims as far ahead as it is fast: these many tell it how fast it is.
    let mut bystanders = submit_harmless(&app, 500, 0).await;
    let poisoned = poison.submit(&app.broker(), ()).priority(1).await.unwrap();
    let poisoned = poisoned.id();
    bystanders.extend(submit_harmless(&app, 50, 2).await);
    let mut held_at_death = Vec::new();
    while app.broker().statuses().get(poisoned).await.unwrap() != Status::Failed {
        let mut doomed = Process::start("work", &store, LONG);
        // Either it dies of the message, or that has become a dead letter meanwhile.
        tokio::time::timeout(SOON, dies_or_dead(&mut doomed, &app, poisoned))
            .await
            .unwrap();
        doomed.kill();
        let said = doomed.rest();
        let held = said
            .iter()
            .find_map(|said| said.strip_prefix("dying with "));
        held_at_death.extend(held.map(|held| held.parse::<usize>().unwrap()));
        app.store().rescue(1_000).await.unwrap();
        assert!(held_at_death.len() < 20, "it kills and kills");
        hurry(&app, poisoned).await;
    }
    let record = app.broker().get(poisoned).await.unwrap().unwrap();
    assert_eq!(record.reason, Some(FailReason::Lost));
    // Deaths beside others of which no heartbeat had told who ran count as strays.
    let counted = record.counters.losses + record.counters.strays;
    assert_eq!(held_at_death.len(), counted as usize, "{held_at_death:?}");
    assert!(
        held_at_death[0] > 1,
        "at its first death the worker held others too: {held_at_death:?}"
    );
    println!("held at each death: {held_at_death:?}");
    let worker = app.worker().start().await.unwrap();
    tokio::time::timeout(SOON, worker.drained()).await.unwrap();
    for id in bystanders {
        let record = app.broker().get(id).await.unwrap().unwrap();
        assert_eq!(record.status(), Status::Succeeded);
        assert_eq!(record.counters.losses, 0, "{held_at_death:?}");
    }
    worker.stop().await.unwrap();
}

async fn dies_or_dead(doomed: &mut Process, app: &App, poisoned: MessageId) {
    loop {
        if doomed.has_ended() {
            return;
        }
        if app.broker().statuses().get(poisoned).await.unwrap() == Status::Failed {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Makes a message that waits out its backoff ready at once.
async fn hurry(app: &App, id: MessageId) {
    let now = towpath::Update {
        start: Some(towpath::Start::Now),
        ..towpath::Update::default()
    };
    match app.broker().update(id, now).await {
        Ok(()) => {}
        Err(error) if error.kind() == towpath::Kind::WrongState => {}
        Err(error) => panic!("{error}"),
    }
}
