//! Where a store is: `memory:`, `sqlite:PATH`, `redis://HOST`, `postgres://HOST`, and settings after `?`.

mod escape;
mod server;
mod settings;
mod tls;

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::name::Namespace;
use escape::{escape, unescape};
pub use server::{Host, Secret, Server};
pub use tls::Tls;

/// The engine that a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In this process alone; gone with it.
    Memory,
    /// One file on this machine.
    Sqlite,
    /// A Redis or Valkey server, or a cluster of them.
    Redis,
    /// A Postgres server.
    Postgres,
}

/// Where the engine keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Memory,
    File(String),
    Redis(Server),
    Postgres(Server),
}

/// When an accepted write is safe against the loss of power. Against the end of a process every
/// accepted write is always safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// At most the commits of the last 100 ms are at risk when the machine loses power.
    #[default]
    Normal,
    /// Every commit is on the disk before it is answered; slower.
    Full,
}

/// Whether a store brings its schema up to date by itself when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migration {
    /// Yes: whoever comes first does it for all.
    #[default]
    Auto,
    /// No: a schema that is missing or old is an error, and somebody else has to do it.
    Off,
}

/// The parsed URL of a store.
///
/// `sqlite:` and `sqlite://` take everything up to the first `?` as the path, character by
/// character. Settings: `namespace=NAME` on every store, `durability=normal|full` on SQLite.
///
/// `redis://` (or `valkey://`, which is the same) and `postgres://` (or `postgresql://`) take
/// `[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]`, with any byte of user, password and database
/// written as `%XX` where it has a meaning of its own. A host of Postgres that begins with `%2F` is the directory of
/// a socket of this machine. Several hosts of Redis are nodes of a cluster, which has no databases. The password is
/// never printed, so such a URL is the one thing that is not read again as it was.
///
/// The way to a server is encrypted, and its certificate verified, by `rediss://` (or `valkeys://`) and by
/// `sslmode=verify-full` on Postgres; `sslmode=require` means the same, as nothing is encrypted for somebody
/// unknown. Without it nothing is encrypted. `sslrootcert=PATH` names the authorities that are trusted, as a
/// file of PEM; without it they are the system's. `migrate=off` on Postgres leaves the schema to whoever may
/// change it.
///
/// What would end a path or a setting too early is written `%3F` for `?`, `%26` for `&` and `%25` for
/// `%`. Any other `%` is just that: `a%20b` is a path of six characters. So every URL that is printed
/// is read again as the same store, whatever its path and namespace. Only a path that is empty or
/// contains NUL has no URL; such a path names no file, and no store can be opened there.
///
/// ```
/// use towpath_core::StoreUrl;
/// let url: StoreUrl = "sqlite:///var/lib/jobs.db?namespace=mail".parse()?;
/// assert_eq!(url.path(), "/var/lib/jobs.db");
/// assert_eq!(url.namespace().as_str(), "mail");
/// assert!("jobs.db".parse::<StoreUrl>().is_err());
/// assert_eq!(StoreUrl::sqlite("what?.db").to_string(), "sqlite:what%3F.db");
/// # Ok::<(), towpath_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    place: Place,
    namespace: Namespace,
    durability: Durability,
    migration: Migration,
}

impl StoreUrl {
    /// The URL of a fresh store in memory.
    pub fn memory() -> Self {
        Self::of(Place::Memory)
    }

    fn of(place: Place) -> Self {
        Self {
            place,
            namespace: Namespace::default(),
            durability: Durability::default(),
            migration: Migration::default(),
        }
    }

    /// The URL of the SQLite store in the file `path`.
    pub fn sqlite(path: impl Into<String>) -> Self {
        Self::of(Place::File(path.into()))
    }

    /// The URL of the store on a Postgres server that was configured elsewhere.
    pub fn postgres(server: Server) -> Self {
        Self::of(Place::Postgres(server))
    }

    /// The engine.
    pub fn scheme(&self) -> Scheme {
        match &self.place {
            Place::Memory => Scheme::Memory,
            Place::File(_) => Scheme::Sqlite,
            Place::Redis(_) => Scheme::Redis,
            Place::Postgres(_) => Scheme::Postgres,
        }
    }

    /// The path of the file; empty for a store that is no file.
    pub fn path(&self) -> &str {
        match &self.place {
            Place::File(path) => path,
            Place::Memory | Place::Redis(_) | Place::Postgres(_) => "",
        }
    }

    /// How the server is reached; `None` for a store that has none.
    pub fn server(&self) -> Option<&Server> {
        match &self.place {
            Place::Redis(server) | Place::Postgres(server) => Some(server),
            Place::Memory | Place::File(_) => None,
        }
    }

    /// The application's part of the store.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// When a write is safe against the loss of power.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Whether the store brings its schema up to date by itself.
    pub fn migration(&self) -> Migration {
        self.migration
    }

    /// The URL with its password, for another process that is to open the same store: to be handed over where nobody
    /// else reads it, such as a variable of its environment, and never to be printed.
    ///
    /// ```
    /// use towpath_core::StoreUrl;
    ///
    /// let url: StoreUrl = "redis://jobs:s%40fe@localhost/2".parse()?;
    /// assert_eq!(url.to_string(), "redis://jobs@localhost/2");
    /// assert_eq!(url.revealed(), "redis://jobs:s%40fe@localhost/2");
    /// # Ok::<(), towpath_core::Error>(())
    /// ```
    #[must_use]
    pub fn revealed(&self) -> String {
        let printed = self.to_string();
        let password = self.server().and_then(Server::password);
        let Some((password, (scheme, rest))) = password.zip(printed.split_once("//")) else {
            return printed;
        };
        let password = server::escape(password.reveal());
        // An @ in the name of a user is escaped.
        match self.server().and_then(Server::user) {
            Some(_) => {
                let (user, place) = rest.split_once('@').unwrap_or(("", rest));
                format!("{scheme}//{user}:{password}@{place}")
            }
            None => format!("{scheme}//:{password}@{rest}"),
        }
    }

    /// Whether a store can be there.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when the path names no file: it is empty or contains NUL.
    pub fn check(&self) -> Result<()> {
        match &self.place {
            Place::File(path) if path.is_empty() || path.contains('\0') => Err(Error::invalid(
                "store URL: sqlite: names no file; write sqlite:PATH",
            )),
            _ => Ok(()),
        }
    }

    /// The same store, another namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// The same store, whose schema is brought up to date by itself or not.
    #[must_use]
    pub fn with_migration(mut self, migration: Migration) -> Self {
        self.migration = migration;
        self
    }

    /// The same store, another durability.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (location, query) = text.split_once('?').unwrap_or((text, ""));
        let Some((scheme, path)) = location.split_once(':') else {
            let shown = shown(location);
            return Err(Error::invalid(format!(
                "store URL {shown} has no scheme; write sqlite:PATH or memory:"
            )));
        };
        let url = match scheme {
            "memory" if path.is_empty() || path == "//" => Self::memory(),
            "memory" => {
                return Err(Error::invalid(
                    "store URL: memory: takes no path; write sqlite:PATH for a file",
                ));
            }
            "sqlite" => {
                let path = path.strip_prefix("//").unwrap_or(path);
                let url = Self::sqlite(unescape(path));
                url.check()?;
                url
            }
            "redis" | "valkey" | "rediss" | "valkeys" => {
                let mut server = Server::parse(scheme, path)?;
                server.check_database_number()?;
                server.tls = matches!(scheme, "rediss" | "valkeys").then(Tls::default);
                Self::of(Place::Redis(server))
            }
            "postgres" | "postgresql" => Self::of(Place::Postgres(Server::parse(scheme, path)?)),
            _ => {
                let shown = shown(scheme);
                return Err(Error::invalid(format!(
                    "store scheme {shown} is unknown; use sqlite:, redis:, postgres: or memory:"
                )));
            }
        };
        url.with_settings(query)
    }
}

/// The start of what a user wrote, in quotes. What stands before an `@` is a user and his password, so
/// then nothing is shown.
fn shown(text: &str) -> String {
    if text.contains('@') {
        return "(not shown, it may hold a password)".to_owned();
    }
    let start: String = text.chars().take(40).collect();
    format!("{start:?}")
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Memory => f.write_str("memory:")?,
            Place::File(path) => {
                f.write_str("sqlite:")?;
                if path.starts_with("//") {
                    // Those of the path would be read as those of the scheme.
                    f.write_str("//")?;
                }
                f.write_str(&escape(path, '?'))?;
            }
            Place::Redis(server) if server.tls().is_some() => write!(f, "rediss:{server}")?,
            Place::Redis(server) => write!(f, "redis:{server}")?,
            Place::Postgres(server) => write!(f, "postgres:{server}")?,
        }
        let mut separator = '?';
        let mut setting = |name: &str, value: &str| {
            let written = write!(f, "{separator}{name}={}", escape(value, '&'));
            separator = '&';
            written
        };
        if self.namespace != Namespace::default() {
            setting("namespace", self.namespace.as_str())?;
        }
        if self.durability == Durability::Full {
            setting("durability", "full")?;
        }
        if self.migration == Migration::Off {
            setting("migrate", "off")?;
        }
        if let Some(tls) = self.server().and_then(Server::tls) {
            if self.scheme() == Scheme::Postgres {
                setting("sslmode", "verify-full")?;
            }
            if let Some(path) = tls.authorities() {
                setting("sslrootcert", path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_after_the_slashes_is_the_path() {
        let check = |text: &str, path: &str| {
            assert_eq!(text.parse::<StoreUrl>().unwrap().path(), path, "{text}");
        };
        check("sqlite:jobs.db", "jobs.db");
        check("sqlite:/tmp/jobs.db", "/tmp/jobs.db");
        check("sqlite:///tmp/jobs.db", "/tmp/jobs.db");
        check("sqlite://rel/jobs.db", "rel/jobs.db");
        check("sqlite:a b:c%20.db?durability=full", "a b:c%20.db");
    }

    #[test]
    fn urls_print_what_they_parse() {
        for text in [
            "memory:",
            "sqlite:/a.db",
            "sqlite:/a.db?namespace=x&durability=full",
        ] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_path_of_two_slashes_is_not_printed_as_a_relative_one() {
        let url: StoreUrl = "sqlite:////a/b.db".parse().unwrap();
        assert_eq!(url.path(), "//a/b.db");
        assert_eq!(url.to_string().parse::<StoreUrl>().unwrap(), url);
    }

    #[test]
    fn few_characters_are_escaped_and_plain_paths_stay_as_they_are() {
        let check = |path: &str, namespace: &str, text: &str| {
            let url = StoreUrl::sqlite(path).with_namespace(Namespace::new(namespace).unwrap());
            assert_eq!(url.to_string(), text);
            assert_eq!(text.parse::<StoreUrl>().unwrap(), url, "{text}");
        };
        check("a b&c=%20:%.db", "towpath", "sqlite:a b&c=%20:%.db");
        check("what?.db", "towpath", "sqlite:what%3F.db");
        check("50%25.db", "towpath", "sqlite:50%2525.db");
        check("%?", "%&", "sqlite:%%3F?namespace=%%26");
        check(
            "a.db",
            "this&that?=%",
            "sqlite:a.db?namespace=this%26that?=%",
        );
        let lower: StoreUrl = "sqlite:a%3fb".parse().unwrap();
        assert_eq!(lower.path(), "a?b");
    }

    #[test]
    fn servers_are_read_and_printed_without_their_password() {
        let check = |text: &str, printed: &str| {
            let url = text.parse::<StoreUrl>().unwrap();
            assert_eq!(url.to_string(), printed, "{text}");
            assert!(!format!("{url:?}").contains("hunter2"), "{url:?}");
            let again = printed.parse::<StoreUrl>().unwrap();
            assert_eq!(again.to_string(), printed);
        };
        check("redis://h", "redis://h");
        check("valkey://h:6380/2", "redis://h:6380/2");
        check(
            "redis://a%40b:hunter2@h:1/3?namespace=x",
            "redis://a%40b@h:1/3?namespace=x",
        );
        check(
            "redis://:hunter2@[::1]:7000,b:7001",
            "redis://[::1]:7000,b:7001",
        );
        check("postgresql://u:hunter2@h/a%2Fb", "postgres://u@h/a%2Fb");
        let socket = "postgres://u@%2Frun%2Fpostgresql:5433/d";
        check(socket, socket);
        let read: StoreUrl = socket.parse().unwrap();
        let host = &read.server().unwrap().hosts()[0];
        assert_eq!(
            (host.name.as_str(), host.port),
            ("/run/postgresql", Some(5433))
        );
    }

    #[test]
    fn an_encrypted_way_is_a_verified_one_and_printed_as_such() {
        let check = |text: &str, printed: &str, authorities: Option<Option<&str>>| {
            let url = text.parse::<StoreUrl>().unwrap();
            let tls = url.server().unwrap().tls();
            assert_eq!(tls.map(Tls::authorities), authorities, "{text}");
            assert_eq!(url.to_string(), printed);
            assert_eq!(printed.parse::<StoreUrl>().unwrap(), url);
        };
        check("postgres://h", "postgres://h", None);
        check("postgres://h?sslmode=disable", "postgres://h", None);
        let full = "postgres://h?sslmode=verify-full";
        check(full, full, Some(None));
        check("postgres://h?sslmode=require", full, Some(None));
        check(
            "postgres://h?sslrootcert=system&sslmode=require",
            full,
            Some(None),
        );
        let from_file =
            "postgres://h?namespace=x&migrate=off&sslmode=verify-full&sslrootcert=/a%26b?.pem";
        check(from_file, from_file, Some(Some("/a&b?.pem")));
        check("redis://h", "redis://h", None);
        check("valkeys://h", "rediss://h", Some(None));
        let from_file = "rediss://h:1/0?sslrootcert=ca.pem";
        check(from_file, from_file, Some(Some("ca.pem")));
    }

    #[test]
    fn what_is_escaped_in_a_server_is_read_as_it_is_meant() {
        let url: StoreUrl = "postgres://a%3Ab:p%40%2F%3Fss@h:5433,k/d%20b"
            .parse()
            .unwrap();
        let server = url.server().unwrap();
        assert_eq!(server.user(), Some("a:b"));
        assert_eq!(server.password().map(Secret::reveal), Some("p@/?ss"));
        assert_eq!(server.database(), Some("d b"));
        let hosts: Vec<_> = server
            .hosts()
            .iter()
            .map(|host| (host.name.as_str(), host.port))
            .collect();
        assert_eq!(hosts, [("h", Some(5433)), ("k", None)]);
    }

    proptest! {
        /// Found by a fuzzer: `&` in a namespace and `?` in a path were read as the end of them.
        #[test]
        fn every_url_is_read_again_as_the_same_store(
            path in "([%?&=:/@a2356Ffé]|%25|%3[Ff]){1,12}",
            namespace in "([%?&=a2356Ffé]|%26){1,12}",
            full in any::<bool>(),
            memory in any::<bool>(),
        ) {
            let durability = if full { Durability::Full } else { Durability::Normal };
            let url = if memory { StoreUrl::memory() } else { StoreUrl::sqlite(path) };
            let url = url
                .with_namespace(Namespace::new(namespace).unwrap())
                .with_durability(durability);
            let text = url.to_string();
            prop_assert_eq!(text.parse::<StoreUrl>().unwrap(), url, "{}", text);
        }
    }

    proptest! {
        #[test]
        fn every_server_that_is_printed_is_read_again_but_for_its_password(
            scheme in "redis|valkeys|postgres",
            rest in "([%/@:,a1?&=.é]|\\[|\\]|%40|%2F|hunter2){0,14}",
        ) {
            let text = format!("{scheme}://{rest}");
            if let Ok(url) = text.parse::<StoreUrl>() {
                let printed = url.to_string();
                let again: StoreUrl = printed.parse().unwrap();
                prop_assert_eq!(again.to_string(), printed, "{}", text);
                let revealed: StoreUrl = url.revealed().parse().unwrap();
                prop_assert_eq!(&revealed, &url, "{}", text);
                if url.server().unwrap().password().is_none() {
                    prop_assert_eq!(again, url, "{}", text);
                }
            }
        }
    }

    #[test]
    fn bad_urls_are_refused_with_a_way_out_and_without_secrets() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        };
        check("", "no scheme");
        check("jobs.db", "no scheme");
        check("sqlite:", "names no file");
        check("sqlite://?namespace=x", "names no file");
        check("memory:x", "takes no path");
        check("mysql://u:hunter2@h/db", "\"mysql\" is unknown");
        check("redis:jobs", "write redis://HOST");
        check("redis://u:hunter2@", "no host");
        check("redis://h:0x1", "port");
        check("redis://h:70000", "port");
        check("redis://[::1]x", "port");
        check("redis://a b", "without blanks");
        check("redis://[%2F]", "does not begin with %");
        check("postgres://[%2F]", "does not begin with %");
        check("redis://u:hunter2@%2Frun", "only Postgres");
        check("postgres://%2Fa%20b", "without blanks");
        check("redis://u:hunter2@h/one", "number");
        check("redis://u:12/hunter2@h/0", "%2F");
        check("postgres://u:12/hunter2@h/db", "%2F");
        check("redis://u:12?hunter2@h", "no setting (not shown");
        check("redis://u:12?hunter2@h&hunter2@h", "twice");
        check("redis://u:12?durability=hunter2@h", "normal or full");
        check(
            "postgres://u:hunter2@h?sslcert=hunter2.pem",
            "no setting \"sslcert\"; there are namespace, migrate, sslmode and sslrootcert",
        );
        check("postgres://u:hunter2%zz@h/db", "%");
        check(
            "postgres://h?sslmode=prefer",
            "write verify-full, or disable",
        );
        check("postgres://h?sslmode=verify-ca", "write verify-full");
        check("postgres://u:12?sslmode=hunter2@h", "disable, require or");
        check("postgres://h?sslrootcert=a.pem", "add sslmode=verify-full");
        check(
            "postgres://h?sslmode=disable&sslrootcert=a.pem",
            "without encryption",
        );
        check("postgres://h?sslmode=require&sslrootcert=", "names no file");
        check("postgres://h?migrate=never", "auto or off");
        check("redis://h?sslrootcert=a.pem", "write rediss://HOST");
        check("rediss://h?sslmode=require", "of Postgres");
        check("redis://h?migrate=off", "of Postgres");
        check("sqlite:a.db?sslmode=require", "on a server");
        check("memory://u:hunter2@h", "takes no path");
        check("sqlite:?password=hunter2", "names no file");
        check("u/hunter2@h", "no scheme");
        check("u/hunter2@h:5432/db", "is unknown");
        check("sqlite:a.db?namespace=", "namespace name is empty");
        check("sqlite:a.db?durability=maybe", "normal or full");
        check("sqlite:a.db?colour=red", "no setting \"colour\"");
        check("sqlite:a.db?namespace=a&namespace=b", "twice");
    }
}
