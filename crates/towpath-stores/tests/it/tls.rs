//! Encrypted ways to servers: the right authority opens them, any other keeps them shut.

use std::sync::Arc;
use std::time::Duration;

use towpath_core::store::{Extend, Selection, StoredResult, Topic, Verdict};
use towpath_core::{
    Draft, Error, IncarnationId, Kind, Payload, QueueName, State, Store, StoreUrl, TaskName,
};
use towpath_servers::Authority;
use towpath_stores::conformance::Worker;

/// Only bounds how long a broken store may make the test wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name that stands in the certificates of the servers here.
const HOST: &str = "localhost";

/// A server that speaks TLS on this machine, and who signed for it.
struct Encrypted<S> {
    authority: Authority,
    /// What comes before the host, and behind the port.
    around: (&'static str, String),
    port: u16,
    /// How encryption is asked for on it.
    asked: &'static str,
    _server: S,
}

impl<S> Encrypted<S> {
    fn url(&self, host: &str, authority: Option<&Authority>) -> StoreUrl {
        let ((scheme, rest), port, asked) = (&self.around, self.port, self.asked);
        let mut url = format!("{scheme}{host}:{port}{rest}?namespace=tls&{asked}");
        if let Some(authority) = authority {
            let path = authority.certificate();
            url.push_str(&format!("&sslrootcert={}", path.display()));
        }
        url.parse().expect("the URL of the server")
    }

    async fn serves_those_who_trust_it_alone(&self) {
        let ours = Some(&self.authority);
        works(towpath_stores::open(&self.url(HOST, ours)).unwrap()).await;
        let other = Authority::new().unwrap();
        let nobody = "nobody that is trusted here";
        self.is_refused(HOST, Some(&other), nobody).await;
        self.is_refused(HOST, None, nobody).await;
        self.is_refused("127.0.0.1", ours, "not of this host").await;
    }

    async fn is_refused(&self, host: &str, authority: Option<&Authority>, expected: &str) {
        let url = self.url(host, authority);
        let store = towpath_stores::open(&url).unwrap();
        let mut keeper = store.lease_keeper().unwrap();
        let beat = tokio::task::spawn_blocking(move || keeper.extend(beat()));
        let refusals = [
            store.submit(vec![draft()]).await.unwrap_err(),
            beat.await.unwrap().unwrap_err(),
        ];
        for error in refusals {
            check_refusal(&error, expected);
            assert!(error.to_string().contains(&url.to_string()), "{error}");
        }
    }
}

fn check_refusal(error: &Error, expected: &str) {
    assert_eq!(error.kind(), Kind::Storage, "{error:?}");
    assert!(!error.is_transient(), "{error:?}");
    assert!(error.to_string().contains(expected), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}

fn draft() -> Draft {
    Draft::new(TaskName::new("t").unwrap(), Payload::json("[1]"))
}

/// A heartbeat of nobody: it is not to get so far as to be told so.
fn beat() -> Extend<'static> {
    Extend {
        incarnation: IncarnationId::new(),
        lease: Duration::from_secs(10),
        started: &[],
    }
}

/// Every connection that a store makes does what it is for.
async fn works(store: Arc<dyn Store>) {
    let mut watch = store.watch(Topic::Work);
    let draft = draft();
    let id = draft.id;
    store.submit(vec![draft]).await.unwrap().remove(0).unwrap();
    let rung = tokio::time::timeout(PATIENCE, watch.changed()).await;
    rung.expect("a submit rings");
    let worker = Worker::join(store.clone()).await;
    let everything = Selection::Queues {
        queues: vec![QueueName::default()],
        tasks: vec![TaskName::new("t").unwrap()],
    };
    let claimed = worker.try_claim(1, everything).await.unwrap().remove(0);
    assert_eq!(claimed.id, id);
    worker.beat(&[]).unwrap();
    let done = Verdict::Done {
        result: StoredResult::None,
        callbacks: Vec::new(),
    };
    worker.settle(claimed.token(), done).await.unwrap();
    let record = store.get(vec![id]).await.unwrap().remove(0).unwrap();
    assert_eq!(record.state, State::Succeeded);
    store.close().await.unwrap();
}

#[cfg(feature = "postgres")]
mod postgres {
    use towpath_servers::{Authority, PostgresServer};

    use super::{Encrypted, HOST, check_refusal, draft};

    fn server() -> Option<Encrypted<PostgresServer>> {
        towpath_servers::given(towpath_servers::POSTGRES_URL)?;
        let authority = Authority::new().unwrap();
        let issued = authority.issue(HOST).unwrap();
        let server = PostgresServer::start_with(&[
            "fsync=off",
            "ssl=on",
            &format!("ssl_cert_file={}", issued.certificate.display()),
            &format!("ssl_key_file={}", issued.key.display()),
        ])
        .unwrap();
        Some(Encrypted {
            authority,
            around: ("postgres://towpath:hunter2@", "/towpath".to_owned()),
            port: server.port(),
            asked: "sslmode=verify-full",
            _server: server,
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_is_reached_by_those_who_trust_its_authority_alone() {
        let Some(server) = server() else { return };
        server.serves_those_who_trust_it_alone().await;
    }

    #[tokio::test]
    async fn postgres_sees_an_encrypted_connection() {
        let Some(server) = server() else { return };
        let url = server.url(HOST, Some(&server.authority));
        let store = towpath_stores::open(&url).unwrap();
        store.submit(vec![draft()]).await.unwrap();
        let config = format!(
            "host=127.0.0.1 port={} user=towpath dbname=towpath",
            server.port
        );
        let (client, wire) = tokio_postgres::connect(&config, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(wire);
        let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                   WHERE application_name = 'towpath'";
        let row = client.query_one(sql, &[]).await.unwrap();
        assert_eq!(row.get::<_, Option<bool>>(0), Some(true));
    }

    #[tokio::test]
    async fn a_postgres_that_takes_no_encryption_gets_nothing_unencrypted() {
        let Some(given) = towpath_servers::given(towpath_servers::POSTGRES_URL) else {
            return;
        };
        let url = format!("{given}?sslmode=require").parse().unwrap();
        let store = towpath_stores::open(&url).unwrap();
        let error = store.submit(vec![draft()]).await.unwrap_err();
        check_refusal(&error, "sslmode=disable");
    }
}

#[cfg(feature = "redis")]
mod redis {
    use std::net::TcpListener;

    use towpath_core::StoreUrl;
    use towpath_servers::{Authority, RedisCluster, RedisServer};

    use super::{Encrypted, HOST, check_refusal, draft, works};

    fn server() -> Option<Encrypted<RedisServer>> {
        towpath_servers::given(towpath_servers::REDIS_URL)?;
        let authority = Authority::new().unwrap();
        let issued = authority.issue(HOST).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let server = RedisServer::start_with(&[
            "--appendonly",
            "yes",
            "--requirepass",
            "",
            "--tls-port",
            &port.to_string(),
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &path(&issued.certificate),
            "--tls-key-file",
            &path(&issued.key),
        ])
        .unwrap();
        Some(Encrypted {
            authority,
            around: ("rediss://", String::new()),
            port,
            asked: "",
            _server: server,
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn redis_is_reached_by_those_who_trust_its_authority_alone() {
        let Some(server) = server() else { return };
        server.serves_those_who_trust_it_alone().await;
    }

    /// A node that another tells of is spoken to in the same way as those of the URL.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_of_a_cluster_are_reached_by_those_who_trust_their_authority_alone() {
        if towpath_servers::given(towpath_servers::CLUSTER_URL).is_none() {
            return;
        }
        let authority = Authority::new().unwrap();
        let cluster = RedisCluster::start_encrypted(&authority).unwrap();
        let primary = cluster.primary_of("{towpath:tls}:").unwrap();
        let others = cluster.url_of(&[(primary + 1) % 3, primary + 3]);
        let url = |authority: &Authority| -> StoreUrl {
            let path = authority.certificate();
            let url = format!("{others}?namespace=tls&sslrootcert={}", path.display());
            url.parse().unwrap()
        };
        works(towpath_stores::open(&url(&authority)).unwrap()).await;
        let stranger = Authority::new().unwrap();
        let store = towpath_stores::open(&url(&stranger)).unwrap();
        let refused = store.submit(vec![draft()]).await.unwrap_err();
        check_refusal(&refused, "nobody that is trusted here");
    }
}

#[test]
fn a_file_of_authorities_that_is_none_is_told_when_the_store_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let begun = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cases = [
        (write("empty", ""), "has no certificate"),
        (write("damaged", begun), "is damaged"),
        ("/no/such/file".to_owned(), "cannot be read"),
    ];
    for (path, expected) in cases {
        for url in [
            format!("postgres://u:hunter2@h?sslmode=require&sslrootcert={path}"),
            format!("rediss://u:hunter2@h?sslrootcert={path}"),
        ] {
            let refused = towpath_stores::open(&url.parse().unwrap());
            let error = refused.expect_err("no authority is in it");
            if error.kind() == Kind::Unsupported {
                // A build with one of the stores alone.
                continue;
            }
            assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
            let text = error.to_string();
            assert!(text.contains(expected) && text.contains(&path), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
