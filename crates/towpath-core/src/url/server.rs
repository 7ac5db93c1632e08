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
    /// Its name or address.
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
    /// Who asks.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password of who asks.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The machines, one at least. Several are the nodes of one cluster, or stand in for each other.
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
    // It is shown on terminals.
    if name.contains(|c: char| c.is_control() || c.is_whitespace() || "[]".contains(c)) {
        return Err(Error::invalid(
            "store URL: a host is a name or an address, without blanks and brackets of its own",
        ));
    }
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            Error::invalid("store URL: a port is a number from 1 to 65535; write HOST:PORT")
        })?),
    };
    Ok(Host {
        name: name.to_owned(),
        port,
    })
}

/// All but the password, from the two slashes on.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |text| utf8_percent_encode(text, PLAIN);
        f.write_str("//")?;
        if let Some(user) = self.user() {
            write!(f, "{}@", encode(user))?;
        }
        for (at, host) in self.hosts.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{host}")?;
        }
        match self.database() {
            Some(database) => write!(f, "/{}", encode(database)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
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
