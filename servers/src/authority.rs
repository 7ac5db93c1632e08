//! An authority of a test's own, and the certificates that it gives to servers.

use std::fs::{Permissions, set_permissions};
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::postgres::unprivileged;
use crate::process::succeed;
use crate::programs::find;

/// What `openssl` is told: nothing that stands in a configuration of the machine shall count.
const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = towpath test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
";

/// Signs certificates. Its files go with it.
pub struct Authority {
    directory: TempDir,
}

/// A certificate and its key, as files that every server can read.
pub struct Certificate {
    /// The certificate, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A fresh authority, which nobody trusts yet.
    ///
    /// # Errors
    ///
    /// When there is no program `openssl`.
    pub fn new() -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("towpath-authority-")
            .tempdir()
            .context("failed to make a directory for an authority")?;
        // Servers run as somebody else, and read theirs.
        set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let authority = Self { directory };
        std::fs::write(authority.path("config"), CONFIG)?;
        authority.openssl(&[
            "req -new -x509 -config config -extensions authority -days 2 -sha256 -nodes",
            "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -keyout ca.key -out ca.pem",
        ])?;
        Ok(authority)
    }

    /// Its own certificate, for whoever is to trust it.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for a server of this name or address.
    ///
    /// # Errors
    ///
    /// What `openssl` says.
    pub fn issue(&self, host: &str) -> Result<Certificate> {
        let kind = host.parse::<IpAddr>().map_or("DNS", |_| "IP");
        std::fs::write(
            self.path("extensions"),
            format!("subjectAltName = {kind}:{host}\n"),
        )?;
        self.openssl(&[
            "req -new -config config -sha256 -nodes -newkey ec",
            "-pkeyopt ec_paramgen_curve:prime256v1 -keyout server.key -out server.csr",
        ])?;
        self.openssl(&[
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -sha256",
            "-extfile extensions -out server.pem",
        ])?;
        let issued = Certificate {
            certificate: self.path("server.pem"),
            key: self.path("server.key"),
        };
        // Postgres takes only a key that nobody else may read.
        set_permissions(&issued.key, Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = unprivileged()? {
            chown(&issued.key, Some(uid), Some(gid))?;
        }
        Ok(issued)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(find("openssl")?);
        command.current_dir::<&Path>(self.directory.path());
        for words in arguments {
            command.args(words.split(' '));
        }
        succeed(command)
    }
}
