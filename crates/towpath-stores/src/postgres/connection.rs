//! One connection: how it is made, what its session is told, and the statements prepared on it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::config::{self, SslMode, TargetSessionAttrs};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Connection, Row, Socket, Statement};
use towpath_core::url::{Host, Scheme, Secret, Server, Tls};
use towpath_core::{Error, Kind, Namespace, Result, StoreUrl};

use super::encryption::{Encrypted, Encryption, encryption};
use super::error::{Fallible, translate};
use super::{migrate, settings};

/// Longest wait for one machine to take a connection and let us in.
const CONNECT: Duration = Duration::from_secs(5);
/// How long sent bytes may wait for an acknowledgement: then the server, or the way to it, is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// What every session is told.
///
/// The bounds are the server's half of ours: a verb whose process is gone shall not hold its locks for long.
/// The planner is told to do as the statements were written, in nested loops over indexes: tables that are
/// empty now and have a million rows a minute later would else be read by plans made for empty ones. It plans
/// each statement once, not at each use.
pub(super) const SESSION: &str = "\
SET statement_timeout = '20s'; SET lock_timeout = '10s'; \
SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = 'warning'; \
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; \
SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = 'force_generic_plan'; \
SET default_transaction_isolation = 'read committed'; SET timezone = 'UTC'";

/// Where a store is, checked: the server, and the schema's name.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) url: StoreUrl,
    pub(super) schema: String,
    config: Config,
    encryption: Encryption,
    /// Whether somebody has looked at the server's settings.
    looked: Arc<AtomicBool>,
}

impl Place {
    pub(super) fn of(url: &StoreUrl) -> Result<Self> {
        let (Scheme::Postgres, Some(server)) = (url.scheme(), url.server()) else {
            let text = format!("{url}: this is no URL of a Postgres store; write postgres://HOST");
            return Err(Error::new(Kind::Unsupported, text));
        };
        Self::new(url.clone(), config(server), server.tls())
    }

    fn new(url: StoreUrl, mut config: Config, tls: Option<&Tls>) -> Result<Self> {
        let schema = url.namespace().as_str().to_owned();
        check_schema(&schema).map_err(|error| error.about(&url))?;
        complete(&mut config);
        config.ssl_mode(match tls {
            Some(_) => SslMode::Require,
            None => SslMode::Disable,
        });
        Ok(Self {
            schema,
            config,
            encryption: encryption(&url, tls)?,
            looked: Arc::default(),
            url,
        })
    }

    /// A place that somebody has configured for the client itself.
    pub(super) fn of_config(config: Config, namespace: Namespace) -> Result<Self> {
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(Tls::default()),
            _ => None,
        };
        let url = StoreUrl::postgres(shown(&config)?).with_namespace(namespace);
        Self::new(url, config, tls.as_ref())
    }

    /// The channel by which the processes of this namespace ring each other's bells.
    pub(super) fn channel(&self) -> String {
        channel(&self.schema)
    }
}

/// The channel of the bells of a schema. Derived, because a channel's name is as short as a schema's and shares no
/// room with a prefix.
pub(super) fn channel(schema: &str) -> String {
    let hash = schema
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("towpath_{hash:016x}")
}

/// Refuses a namespace that Postgres would cut, or keeps for itself.
fn check_schema(name: &str) -> Result<()> {
    if name.len() > 63 {
        let len = name.len();
        return Err(Error::invalid(format!(
            "the namespace has {len} bytes, a schema of Postgres at most 63; choose a shorter one"
        )));
    }
    if name.starts_with("pg_") || name == "information_schema" {
        return Err(Error::invalid(format!(
            "the namespace {name:?} would be a schema of Postgres itself; choose another"
        )));
    }
    Ok(())
}

fn config(server: &Server) -> Config {
    let mut config = Config::new();
    for host in server.hosts() {
        config.host(&host.name).port(host.port.unwrap_or(5432));
    }
    let user = server.user().unwrap_or("postgres");
    config.user(user);
    if let Some(password) = server.password().map(Secret::reveal) {
        config.password(password);
    }
    config.dbname(server.database().unwrap_or(user));
    config
}

/// Sets what nobody has set.
fn complete(config: &mut Config) {
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any
    {
        // They stand in for each other: the one that writes is wanted.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("towpath");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    config.keepalives(true).keepalives_idle(UNACKNOWLEDGED);
}

/// What is shown of a server that was configured for the client: all but its password.
fn shown(config: &Config) -> Result<Server> {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied();
    let hosts = config.get_hosts().iter().enumerate();
    let hosts = hosts.map(|(at, host)| Host {
        name: match host {
            config::Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            config::Host::Unix(path) => path.to_string_lossy().into_owned(),
        },
        port: port(at),
    });
    Server::new(config.get_user(), hosts.collect(), config.get_dbname())
}

/// An identifier as it stands in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) type Wire = Connection<Socket, Encrypted>;

/// Connects, without preparing the session. Whoever calls it drives the wire.
pub(super) async fn dial(place: &Place) -> Result<(Client, Wire)> {
    // One after the other is asked, and each may take its time.
    let hosts = u32::try_from(place.config.get_hosts().len()).unwrap_or(u32::MAX);
    let patience = CONNECT.saturating_mul(hosts.max(1));
    let dialled = tokio::time::timeout(
        patience,
        place.config.connect(Encryption::clone(&place.encryption)),
    )
    .await;
    match dialled {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(translate(error, &place.url)),
        Err(_) => Err(timed_out(&place.url)),
    }
}

/// The answer when nothing was heard in time.
pub(super) fn timed_out(url: &StoreUrl) -> Error {
    let text = format!("{url}: the server does not answer in time; try again");
    Error::new(Kind::Unavailable, text)
}

/// A connection that is ready for verbs.
pub(super) struct Link {
    client: Client,
    /// The statements that were prepared on it, by their text.
    prepared: RefCell<HashMap<&'static str, Statement>>,
}

impl Link {
    /// Connects, brings the schema up to date if `migrated` does not know that it is, and prepares the
    /// session. On the thread of a driver.
    pub(super) async fn open(place: &Place, migrated: &std::cell::Cell<bool>) -> Result<Self> {
        let (client, wire) = dial(place).await?;
        tokio::task::spawn_local(async move {
            // How a connection ended is told to whoever uses it.
            let _told_to_its_verbs = wire.await;
        });
        let prepare = async {
            client.batch_execute(SESSION).await?;
            if !migrated.get() {
                migrate::ensure(&client, place).await?;
                migrated.set(true);
            }
            let schema = quoted(&place.schema);
            client
                .batch_execute(&format!("SET search_path TO {schema}"))
                .await?;
            if !place.looked.swap(true, Ordering::Relaxed) {
                settings::warn(&client, &place.url).await?;
            }
            Fallible::Ok(())
        };
        match tokio::time::timeout(migrate::PATIENCE, prepare).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => return Err(fault.about(&place.url).into_error(&place.url)),
            Err(_) => return Err(timed_out(&place.url)),
        }
        Ok(Self {
            client,
            prepared: RefCell::default(),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs a statement, which is prepared at its first use.
    pub(super) async fn query(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Fallible<Vec<Row>> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    pub(super) async fn statement(&self, sql: &'static str) -> Fallible<Statement> {
        let known = self.prepared.borrow().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    /// Runs statements that take and answer nothing.
    pub(super) async fn execute_plain(&self, sql: &str) -> Fallible<()> {
        Ok(self.client.batch_execute(sql).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Result<Place> {
        Place::of(&text.parse().unwrap())
    }

    #[test]
    fn a_namespace_is_a_schema_that_postgres_neither_cuts_nor_owns() {
        let check = |namespace: &str, expected: &str| {
            let error =
                place(&format!("postgres://u:hunter2@h/d?namespace={namespace}")).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        };
        check(&"x".repeat(64), "64 bytes");
        check("pg_catalog", "Postgres itself");
        check("information_schema", "Postgres itself");
        assert_eq!(place("postgres://h?namespace=a\"b").unwrap().schema, "a\"b");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn of_a_configuration_all_but_the_password_is_shown() {
        let check = |text: &str, expected: &str| {
            let config: Config = text.parse().unwrap();
            let place = Place::of_config(config, Namespace::default()).unwrap();
            assert_eq!(place.url.to_string(), expected);
            assert!(!format!("{place:?}").contains("hunter2"), "{place:?}");
        };
        check(
            "host=a,b port=5433 user=u password=hunter2 dbname=d",
            "postgres://u@a:5433,b:5433/d",
        );
        check(
            "host=/run/postgresql user=u",
            "postgres://u@%2Frun%2Fpostgresql",
        );
        let nowhere = Place::of_config(Config::new(), Namespace::default());
        assert_eq!(nowhere.unwrap_err().kind(), Kind::Invalid);
    }

    #[test]
    fn channels_are_short_and_differ_by_namespace() {
        let channel = |namespace: &str| {
            place(&format!("postgres://h?namespace={namespace}"))
                .unwrap()
                .channel()
        };
        assert_ne!(channel("a"), channel("b"));
        assert!(channel(&"x".repeat(63)).len() < 63);
    }
}
