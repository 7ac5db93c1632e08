//! What stands behind the `?`.

use std::collections::BTreeMap;

use super::escape::unescape;
use super::tls::Asked;
use super::{Durability, Migration, Place, StoreUrl, shown};
use crate::error::{Error, Result};
use crate::name::Namespace;

impl StoreUrl {
    pub(super) fn with_settings(mut self, query: &str) -> Result<Self> {
        let mut tls = Asked::default();
        for (name, value) in parse(query)? {
            match name {
                "namespace" => self.namespace = Namespace::new(unescape(value))?,
                "durability" => self.durability = durability(value)?,
                "migrate" => self.migration = self.place.migration(value)?,
                "sslmode" => tls.sslmode = Some(value),
                "sslrootcert" => tls.sslrootcert = Some(file(value)?),
                _ => {
                    let shown = shown(name);
                    let known = self.place.settings();
                    return Err(Error::invalid(format!(
                        "store URL has no setting {shown}; there are {known}"
                    )));
                }
            }
        }
        tls.apply(&mut self.place)?;
        Ok(self)
    }
}

/// The settings by their names.
fn parse(query: &str) -> Result<BTreeMap<&str, &str>> {
    let mut settings = BTreeMap::new();
    for setting in query.split('&').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        if settings.insert(name, value).is_some() {
            let shown = shown(name);
            return Err(Error::invalid(format!("store URL sets {shown} twice")));
        }
    }
    Ok(settings)
}

fn durability(value: &str) -> Result<Durability> {
    match value {
        "normal" => Ok(Durability::Normal),
        "full" => Ok(Durability::Full),
        _ => {
            let shown = shown(value);
            Err(Error::invalid(format!(
                "store URL: durability is {shown}; it is normal or full"
            )))
        }
    }
}

fn file(value: &str) -> Result<String> {
    let path = unescape(value);
    if path.is_empty() || path.contains('\0') {
        return Err(Error::invalid(
            "store URL: sslrootcert names no file; write sslrootcert=PATH",
        ));
    }
    Ok(path)
}

impl Place {
    /// The names of what can be set.
    fn settings(&self) -> &'static str {
        match self {
            Place::Memory | Place::File(_) => "namespace and durability",
            Place::Redis(_) => "namespace and sslrootcert",
            Place::Postgres(_) => "namespace, migrate, sslmode and sslrootcert",
        }
    }

    fn migration(&self, value: &str) -> Result<Migration> {
        match (self, value) {
            (Place::Postgres(_), "auto") => Ok(Migration::Auto),
            (Place::Postgres(_), "off") => Ok(Migration::Off),
            (Place::Postgres(_), _) => {
                let shown = shown(value);
                Err(Error::invalid(format!(
                    "store URL: migrate is {shown}; it is auto or off"
                )))
            }
            _ => Err(Error::invalid(
                "store URL: migrate is of Postgres; other stores need no migrations by hand",
            )),
        }
    }
}
