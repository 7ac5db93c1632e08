//! The part of a URL that says how a server is reached.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::tls::Tls;
use crate::error::{Error, Result};

/// Most hosts that one URL may name.
const HOSTS_MAX: usize = 64;

/// What is written as it is, of what has to be encoded elsewhere.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A password. It is shown by nothing but [`reveal`](Secret::reveal).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// One machine of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name or address; or, on Postgres, the directory of its socket on this machine, which begins with a
    /// slash and is written `%2F` in a URL.
    pub name: String,
    /// Its port; `None` for the usual one.
    pub port: Option<u16>,
}

/// How a server is reached: who asks, which machines, which database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    user: Option<String>,
    password: Option<Secret>,
    hosts: Vec<Host>,
    database: Option<String>,
    pub(super) tls: Option<Tls>,
}

impl Server {
    /// A server without a password, for [`StoreUrl::postgres`](super::StoreUrl::postgres): what is to be shown of
    /// one that was configured elsewhere.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`](crate::Kind::Invalid) when there is no host, or one that no URL can name.
    pub fn new(user: Option<&str>, hosts: Vec<Host>, database: Option<&str>) -> Result<Self> {
        if hosts.is_empty() || hosts.len() > HOSTS_MAX {
            return Err(Error::invalid(format!(
                "a server has 1 to {HOSTS_MAX} hosts, not {}",
                hosts.len()
            )));
        }
        for host in &hosts {
            check_host(&host.name)?;
        }
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            user: text(user),
            password: None,
            hosts,
            database: text(database),
            tls: None,
        })
    }

    /// Who asks.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password of who asks.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The machines, one at least. Several are nodes of one cluster on Redis, and stand in for each other on
    /// Postgres.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The database.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// That the way there is encrypted; `None` where it is not.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Reads what stands between `scheme:` and the settings.
    pub(super) fn parse(scheme: &str, text: &str) -> Result<Self> {
        let Some(rest) = text.strip_prefix("//") else {
            return Err(Error::invalid(format!(
                "store URL: write {scheme}://HOST, with two slashes"
            )));
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if database.contains('@') {
            // Most likely a `/` in a password, so nothing of it is shown.
            return Err(Error::invalid(
                "store URL has an @ behind a /; write %2F for a / in a user or password, %40 for an @ in a database",
            ));
        }
        // The last one: a password may hold an `@` that nobody escaped.
        let (who, hosts) = match authority.rsplit_once('@') {
            Some((who, hosts)) => (Some(who), hosts),
            None => (None, authority),
        };
        let (user, password) = match who.map(|who| who.split_once(':').unwrap_or((who, ""))) {
            Some((user, password)) => (decode("user", user)?, decode("password", password)?),
            None => (None, None),
        };
        Ok(Self {
            user,
            password: password.map(Secret),
            hosts: parse_hosts(scheme, hosts)?,
            database: decode("database", database)?,
            tls: None,
        })
    }

    /// Refuses a database that is no number: Redis has no others.
    pub(super) fn check_database_number(&self) -> Result<()> {
        match self.database() {
            Some(database) if database.parse::<u16>().is_err() => Err(Error::invalid(
                "store URL: the database of Redis is a number, as in redis://HOST/0",
            )),
            _ => Ok(()),
        }
    }
}

/// The text that is meant; `None` for none.
fn decode(what: &str, text: &str) -> Result<Option<String>> {
    let bad = || {
        Error::invalid(format!(
            "store URL: the {what} has a % that begins no %XX of UTF-8"
        ))
    };
    let mut escapes = text.split('%').skip(1);
    if !escapes.all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    }) {
        return Err(bad());
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| bad())?;
    Ok((!decoded.is_empty()).then(|| decoded.into_owned()))
}

fn parse_hosts(scheme: &str, text: &str) -> Result<Vec<Host>> {
    if text.split(',').count() > HOSTS_MAX {
        return Err(Error::invalid(format!(
            "store URL names more than {HOSTS_MAX} hosts"
        )));
    }
    text.split(',')
        .map(|host| parse_host(scheme, host))
        .collect()
}

fn parse_host(scheme: &str, text: &str) -> Result<Host> {
    // An address of IPv6 stands in brackets, for its colons.
    if text
        .get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case("%2F"))
    {
        return parse_socket(scheme, text);
    }
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':').unwrap_or_default())),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() {
        return Err(Error::invalid(format!(
            "store URL has no host; write {scheme}://HOST"
        )));
    }
    check_host(name)?;
    Ok(Host {
        name: name.to_owned(),
        port: port.map(parse_port).transpose()?,
    })
}

/// A socket of this machine, by its directory.
fn parse_socket(scheme: &str, text: &str) -> Result<Host> {
    if !scheme.starts_with("postgres") {
        return Err(Error::invalid(
            "store URL: only Postgres is reached by a socket of this machine; write a host",
        ));
    }
    let (path, port) = match text.split_once(':') {
        Some((path, port)) => (path, Some(parse_port(port)?)),
        None => (text, None),
    };
    let name = decode("host", path)?.unwrap_or_default();
    check_host(&name)?;
    Ok(Host { name, port })
}

fn parse_port(text: &str) -> Result<u16> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        Error::invalid("store URL: a port is a number from 1 to 65535; write HOST:PORT")
    })
}

/// Refuses what is no host: it is shown on terminals.
fn check_host(name: &str) -> Result<()> {
    if name.contains(|c: char| c.is_control() || c.is_whitespace() || "[]".contains(c)) {
        return Err(Error::invalid(
            "store URL: a host is a name or an address, without blanks and brackets of its own",
        ));
    }
    if name.starts_with('%') {
        return Err(Error::invalid(
            "store URL: a host does not begin with %; a socket's directory stands as %2F… without brackets",
        ));
    }
    Ok(())
}

/// A part of a URL as it is written there.
pub(super) fn escape(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, PLAIN)
}

/// All but the password, from the two slashes on.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("//")?;
        if let Some(user) = self.user() {
            write!(f, "{}@", escape(user))?;
        }
        for (at, host) in self.hosts.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{host}")?;
        }
        match self.database() {
            Some(database) => write!(f, "/{}", escape(database)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.starts_with('/') {
            write!(f, "{}", escape(&self.name))?;
        } else if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
