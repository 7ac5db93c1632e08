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
