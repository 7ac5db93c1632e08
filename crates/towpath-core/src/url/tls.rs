//! Whether the way to a server is encrypted, and whom its certificate has to come from.
//!
//! Postgres says it by `sslmode`, as its own clients do; Redis by its scheme, `rediss:`. Encryption without
//! verifying who is at the other end keeps out nobody who can change what is sent, so there is none.

use super::{Place, shown};
use crate::error::{Error, Result};

/// That the way to a server is encrypted, and that its certificate is verified: it must be of the host that
/// the URL names, and come from an authority that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    authorities: Option<String>,
}

impl Tls {
    /// The path of a file with the certificates of the authorities that are trusted, as PEM; `None` for those
    /// that the system trusts.
    pub fn authorities(&self) -> Option<&str> {
        self.authorities.as_deref()
    }
}

/// The settings about encryption, as they stand in a URL.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) sslmode: Option<&'a str>,
    pub(super) sslrootcert: Option<String>,
}

impl Asked<'_> {
    /// Says it of the server at `place`.
    pub(super) fn apply(self, place: &mut Place) -> Result<()> {
        match place {
            Place::Postgres(server) => server.tls = self.of_postgres()?,
            Place::Redis(server) => server.tls = self.of_redis(server.tls.is_some())?,
            Place::Memory | Place::File(_) => {
                if self.sslmode.is_some() || self.sslrootcert.is_some() {
                    return Err(Error::invalid(
                        "store URL: sslmode and sslrootcert are of stores on a server",
                    ));
                }
            }
        }
        Ok(())
    }

    fn of_postgres(self) -> Result<Option<Tls>> {
        match self.sslmode {
            // Stricter than what `require` asks of libpq, and what is meant by it.
            Some("verify-full" | "require") => Ok(Some(self.verified())),
            Some("disable") | None => match self.sslrootcert {
                None => Ok(None),
                Some(_) => Err(Error::invalid(
                    "store URL: sslrootcert without encryption; add sslmode=verify-full",
                )),
            },
            Some("prefer" | "allow") => Err(Error::invalid(
                "store URL: sslmode=prefer and allow may end without encryption unnoticed; write \
                 verify-full, or disable",
            )),
            Some("verify-ca") => Err(Error::invalid(
                "store URL: sslmode=verify-ca does not look at the name of the host; write verify-full",
            )),
            Some(mode) => {
                let shown = shown(mode);
                Err(Error::invalid(format!(
                    "store URL: sslmode is {shown}; it is disable, require or verify-full"
                )))
            }
        }
    }

    fn of_redis(self, encrypted: bool) -> Result<Option<Tls>> {
        if self.sslmode.is_some() {
            return Err(Error::invalid(
                "store URL: sslmode is of Postgres; on Redis write rediss://HOST for encryption",
            ));
        }
        match (encrypted, &self.sslrootcert) {
            (true, _) => Ok(Some(self.verified())),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(Error::invalid(
                "store URL: sslrootcert without encryption; write rediss://HOST",
            )),
        }
    }

    fn verified(self) -> Tls {
        // What libpq calls the authorities of the system.
        let file = self.sslrootcert.filter(|path| path != "system");
        Tls { authorities: file }
    }
}
