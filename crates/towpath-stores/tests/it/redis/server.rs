//! What is special about a server: it forgets scripts, stops, refuses, is set up wrongly, and holds keys
//! of others.

use std::collections::HashSet;
use std::time::Duration;

use towpath_core::store::Rescued;
use towpath_core::{Draft, Kind, MessageId, State, Store};
use towpath_stores::redis::RedisStore;

use super::place::{
    claim, command, connect, draft, join, open, open_in, server, server_with, state, submit,
};

#[tokio::test]
async fn scripts_that_the_server_forgot_are_told_again() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let first = submit(&store).await.unwrap();
    command(&mut connect(&server), &["SCRIPT", "FLUSH"]);
    let second = submit(&store).await.unwrap();
    let worker = join(&store, Duration::from_secs(10)).await;
    command(&mut connect(&server), &["SCRIPT", "FLUSH"]);
    assert_eq!(claim(&store, worker).await, [first, second]);
}

#[tokio::test]
async fn namespaces_with_braces_and_colons_are_not_mixed_up() {
    let Some(server) = server() else { return };
    let mut ids = HashSet::new();
    for name in ["a", "a}", "a%7D", "a}:b", "{a}", "a:", "towpath:a"] {
        let store = open_in(&server, name);
        assert_eq!(store.counts().await.unwrap().ready, 0, "{name}");
        let id = submit(&store).await.unwrap();
        for earlier in &ids {
            assert_eq!(state(&store, *earlier).await, None, "{name}");
        }
        ids.insert(id);
    }
}

#[tokio::test]
async fn what_was_accepted_outlives_a_server_that_is_killed_under_load() {
    let Some(mut server) = server() else { return };
    let store = open(&server);
    let mut accepted = Vec::new();
    for round in 0..3 {
        let load = async {
            let mut accepted = Vec::new();
            while let Ok(id) = submit(&store).await {
                accepted.push(id);
            }
            accepted
        };
        let kill = async {
            let before = accepted.len() as u64;
            // Once some are in.
            let other = open(&server);
            while other.counts().await.unwrap().ready < before + 20 {}
            server.kill().unwrap();
        };
        let (more, ()) = tokio::join!(load, kill);
        // Each kill may leave one behind that was done, and whose answer never came.
        assert!(more.len() + round + 1 >= 20, "round {round}");
        accepted.extend(more);
        server.start_again().unwrap();
    }
    let records = store.get(accepted.clone()).await.unwrap();
    let lost = records.iter().filter(|record| record.is_none()).count();
    assert_eq!(lost, 0, "of {}", accepted.len());
}

#[tokio::test]
async fn a_server_that_is_away_is_told_as_such_and_used_again_once_it_is_back() {
    let Some(mut server) = server() else { return };
    let store = open(&server);
    let before = submit(&store).await.unwrap();
    server.stop().unwrap();
    let refused = submit(&store).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
    assert!(refused.to_string().contains(&server.url()), "{refused}");
    server.start_again().unwrap();
    assert_eq!(state(&store, before).await, Some(State::Ready));
    submit(&store).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_ours_is_told_and_left_as_it_was() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let mut connection = connect(&server);
    command(&mut connection, &["SET", "{towpath:towpath}:b", "theirs"]);
    let refused = submit(&store).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage, "{refused}");
    assert!(
        refused.to_string().contains("not of Towpath's making"),
        "{refused}"
    );
    let value: String = redis::cmd("GET")
        .arg("{towpath:towpath}:b")
        .query(&mut connection)
        .unwrap();
    assert_eq!(value, "theirs");
    command(&mut connection, &["DEL", "{towpath:towpath}:b"]);
    let id = submit(&store).await.unwrap();
    assert_eq!(state(&store, id).await, Some(State::Ready));
}

#[tokio::test]
async fn a_permission_that_was_taken_away_is_told_and_its_return_is_noticed() {
    let Some(server) = server() else { return };
    let mut admin = connect(&server);
    command(
        &mut admin,
        &[
            "ACL", "SETUSER", "jobs", "on", ">hunter2", "~*", "&*", "+@all",
        ],
    );
    let url = server.url().replace("redis://", "redis://jobs:hunter2@");
    let store = RedisStore::open(&url.parse().unwrap()).unwrap();
    let id = submit(&store).await.unwrap();
    command(&mut admin, &["ACL", "SETUSER", "jobs", "-evalsha"]);
    let refused = submit(&store).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage, "{refused}");
    assert!(refused.to_string().contains("permission"), "{refused}");
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    command(&mut admin, &["ACL", "SETUSER", "jobs", "+evalsha"]);
    assert_eq!(state(&store, id).await, Some(State::Ready));
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let Some(server) = server() else { return };
    let url = server.url().replace("redis://", "redis://nobody:hunter2@");
    let store = RedisStore::open(&url.parse().unwrap()).unwrap();
    let refused = submit(&store).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Storage, "{refused}");
    assert!(
        refused
            .to_string()
            .contains("refuses the user or the password"),
        "{refused}"
    );
    assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
}

#[tokio::test]
async fn a_replica_that_only_reads_is_told_as_such() {
    let Some(primary) = server() else { return };
    let port = primary.port().to_string();
    // Redis 6.2 reads an argument with a blank as one word.
    let Some(replica) = server_with(&["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    let store = open(&replica);
    let refused = submit(&store).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable, "{refused}");
    assert!(refused.to_string().contains("replica"), "{refused}");
    let findings = store.doctor().await.unwrap();
    assert!(
        findings.iter().any(|finding| finding.about == "the server"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn the_doctor_names_settings_that_lose_messages() {
    let settings = [
        "--save",
        "",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ];
    let Some(server) = server_with(&settings) else {
        return;
    };
    let findings = open(&server).doctor().await.unwrap();
    let about: Vec<&str> = findings
        .iter()
        .map(|finding| finding.about.as_str())
        .collect();
    assert_eq!(about, ["the eviction policy", "persistence"]);
}

/// The clock of the server is set an hour forward, then back: as the lease clock sees it, the time since
/// it was last read was an hour, or less than nothing.
#[tokio::test]
async fn a_clock_of_the_server_that_is_set_ends_no_lease() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let id = submit(&store).await.unwrap();
    let worker = join(&store, Duration::from_secs(10)).await;
    assert_eq!(claim(&store, worker).await, [id]);
    let now = store.now().await.unwrap().as_millis();
    for seen in [now - 3_600_000, now + 3_600_000] {
        let seen = seen.to_string();
        let words = ["HSET", "{towpath:towpath}:j", "seen", &seen];
        command(&mut connect(&server), &words);
        assert_eq!(store.rescue(10).await.unwrap(), Rescued::default());
    }
    assert_eq!(state(&store, id).await, Some(State::Running));
    // A lease that is over by that clock is: two steps of at most five seconds.
    for _ in 0..2 {
        let seen = (now - 3_600_000).to_string();
        let words = ["HSET", "{towpath:towpath}:j", "seen", &seen];
        command(&mut connect(&server), &words);
        store.rescue(10).await.unwrap();
    }
    assert_eq!(state(&store, id).await, Some(State::Ready));
}

/// Every message of a long line is called off, in any order: the elements that stay behind cost nobody
/// anything, and go.
#[tokio::test]
async fn a_line_whose_messages_were_all_called_off_leaves_no_key_behind() {
    let Some(server) = server() else { return };
    let store = open(&server);
    let drafts: Vec<Draft> = (0..3_000).map(|_| draft()).collect();
    let mut ids: Vec<MessageId> = drafts.iter().map(|draft| draft.id).collect();
    store.submit(drafts).await.unwrap();
    let last = ids.pop().unwrap();
    ids.reverse();
    store.revoke(ids, false).await.unwrap();
    let worker = join(&store, Duration::from_secs(10)).await;
    assert_eq!(claim(&store, worker).await, [last]);
    let lines: Vec<String> = redis::cmd("KEYS")
        .arg("{towpath:towpath}:[lpqrx]*")
        .query(&mut connect(&server))
        .unwrap();
    assert_eq!(lines, Vec::<String>::new());
}
