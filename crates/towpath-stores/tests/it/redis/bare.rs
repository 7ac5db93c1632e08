//! The bare loop that the store is measured beside.

use towpath_core::store::Bare;
use towpath_core::{MessageId, Namespace, StoreUrl};

use super::place::{connect, open_in, server, submit};

fn keys(server: &towpath_servers::RedisServer) -> usize {
    redis::cmd("DBSIZE").query(&mut connect(server)).unwrap()
}

#[tokio::test]
async fn the_bare_loop_hands_out_what_it_was_given_and_clears_its_namespace_alone() {
    let Some(server) = server() else { return };
    submit(&open_in(&server, "bench[1]")).await.unwrap();
    let others = keys(&server);
    let url: StoreUrl = server.url().parse().unwrap();
    let url = url.with_namespace(Namespace::new("bench*").unwrap());
    let mut bare = towpath_stores::yardstick(&url, Bare::Own).unwrap().unwrap();
    let ids: Vec<MessageId> = (0..60).map(|_| MessageId::new()).collect();
    let batches: Vec<&[MessageId]> = ids.chunks(10).collect();
    bare.submit_many(&batches, b"null").unwrap();
    let mut done = 0;
    loop {
        match bare.exchange_many(10, 4).unwrap() {
            0 => break,
            claimed => done += claimed,
        }
    }
    assert_eq!(done, ids.len());
    assert!(bare.server_cpu().unwrap().is_some());
    assert!(keys(&server) > others);
    bare.clear().unwrap();
    assert_eq!(keys(&server), others);
}

#[tokio::test]
async fn the_server_tells_what_it_costs_and_has_its_settings_back() {
    let Some(server) = server() else { return };
    let mut other = connect(&server);
    let mut threshold = || -> Vec<String> {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET").arg("slowlog-log-slower-than");
        get.query(&mut other).unwrap()
    };
    let before = threshold();
    let url: StoreUrl = server.url().parse().unwrap();
    let mut bare = towpath_stores::yardstick(&url, Bare::Own).unwrap().unwrap();
    assert!(bare.server_memory().unwrap().unwrap() > 0);
    let sent = bare.server_commands().unwrap().unwrap();
    bare.submit(&[MessageId::new()], b"null").unwrap();
    let one_script = Some(sent + 1);
    assert_eq!(bare.server_commands().unwrap(), one_script);

    let shortest = bare.longest_script().unwrap().unwrap();
    assert_ne!(threshold(), before);
    let mut slow = redis::cmd("EVAL");
    slow.arg("for n = 1, 10000000 do end").arg(0);
    slow.exec(&mut connect(&server)).unwrap();
    let longest = bare.longest_script().unwrap().unwrap();
    assert!(longest > shortest, "{longest:?}");
    assert_eq!(bare.longest_script().unwrap(), Some(longest));
    drop(bare);
    assert_eq!(threshold(), before);
}
