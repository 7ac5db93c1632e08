//! A server that stands still, forgets while one works, or is asked by somebody whose clock is wrong.

use std::time::Duration;

use towpath_core::message::Start;
use towpath_core::store::{Settle, SettleRequest, Verdict};
use towpath_core::{AttemptError, Draft, Kind, State, Store, Token};

use super::place::{claim, command, connect, draft, join, open, server, state, submit};

/// The server takes what is sent and answers nothing: the verb ends at its bound. Nobody can know whether it was
/// done, so it may be repeated.
#[tokio::test]
async fn a_frozen_server_ends_verbs_as_transient_and_goes_on_afterwards() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let before = submit(&store).await.unwrap();
    let again = draft();
    server.freeze().unwrap();
    let (submitted, looked) =
        tokio::join!(store.submit(vec![again.clone()]), store.get(vec![before]));
    for refused in [submitted.unwrap_err(), looked.unwrap_err()] {
        assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
        assert!(refused.is_transient());
    }
    server.thaw().unwrap();
    let id = again.id;
    // The first may have arrived, and may be read before this one.
    match store.submit(vec![again]).await.unwrap().remove(0) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), Kind::AlreadyExists, "{error}"),
    }
    let worker = join(&store, Duration::from_secs(10)).await;
    assert_eq!(claim(&store, worker).await, [before, id]);
}

#[tokio::test]
async fn scripts_that_are_forgotten_while_one_works_refuse_nobody() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let mut connection = connect(&server);
    let work = async {
        for _ in 0..100 {
            submit(&store).await.unwrap();
        }
    };
    let forget = async {
        for _ in 0..20 {
            command(&mut connection, &["SCRIPT", "FLUSH"]);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(work, forget);
    assert_eq!(store.counts().await.unwrap().ready, 100);
}

/// A worker tells when it started by its own clock. What is due, and when, is by the server's.
#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_ahead_moves_no_message_in_time() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let id = submit(&store).await.unwrap();
    let worker = join(&store, Duration::from_secs(10)).await;
    assert_eq!(claim(&store, worker).await, [id]);
    let hour = Duration::from_secs(3_600);
    let retry = Settle {
        token: Token { id, claims: 1 },
        started_at: Some(store.now().await.unwrap().after(hour)),
        verdict: Verdict::Retry {
            after: Duration::ZERO,
            error: AttemptError::new("Oops", "it went wrong"),
        },
        unlock: Vec::new(),
    };
    let request = SettleRequest {
        incarnation: worker,
        items: vec![retry],
        claim: None,
    };
    store
        .settle(request)
        .await
        .unwrap()
        .items
        .remove(0)
        .unwrap();
    assert_eq!(state(&store, id).await, Some(State::Ready));
    let later = Draft {
        start: Start::After(hour),
        ..draft()
    };
    let later_id = later.id;
    store.submit(vec![later]).await.unwrap().remove(0).unwrap();
    let now = store.now().await.unwrap();
    let record = store.get(vec![later_id]).await.unwrap().remove(0).unwrap();
    assert!(record.due_at <= now.after(hour) && record.due_at > now);
    assert_eq!(store.promote(10).await.unwrap().moved, 0);
    assert_eq!(claim(&store, worker).await, [id]);
}
