//! TLS on the way to a server: whom a store trusts, said once for all its clients.
//!
//! The authorities are read when the store is opened: from the file that the URL names, else from the system.
//! Without the feature `tls` every URL that asks for encryption is refused here.

/// Refuses a URL that asks for encryption.
#[cfg(not(feature = "tls"))]
pub(crate) fn refuse(
    url: &towpath_core::StoreUrl,
    _tls: &towpath_core::url::Tls,
) -> towpath_core::Error {
    let text = format!("{url}: this build has no encryption; build with the feature `tls`");
    towpath_core::Error::new(towpath_core::Kind::Unsupported, text)
}

#[cfg(feature = "tls")]
pub(crate) use on::*;

#[cfg(feature = "tls")]
mod on {
    use std::error::Error as StdError;
    use std::sync::Arc;

    #[cfg(feature = "postgres")]
    use rustls::ClientConfig;
    #[cfg(feature = "redis")]
    use rustls::crypto::CryptoProvider;
    use rustls::crypto::ring;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::{CertificateError, RootCertStore};

    use towpath_core::url::Tls;
    use towpath_core::{Error, Result, StoreUrl};

    /// The largest file of certificates that is read; that of a system has a quarter of it.
    const FILE_MAX: u64 = 1 << 20;

    /// Whom a client trusts that speaks TLS by itself.
    #[cfg(feature = "postgres")]
    pub(crate) fn config(url: &StoreUrl, tls: &Tls) -> Result<Arc<ClientConfig>> {
        let roots = match tls.authorities() {
            Some(path) => roots(url, path, &read(url, path)?)?,
            None => system(url)?,
        };
        let cannot = |error: rustls::Error| {
            let text = format!("{url}: encryption cannot be set up ({error})");
            Error::new(towpath_core::Kind::Unsupported, text).with_source(error)
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(cannot)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// The same for the client of Redis, which sets up its connections itself.
    #[cfg(feature = "redis")]
    pub(crate) fn certificates(url: &StoreUrl, tls: &Tls) -> Result<redis::TlsCertificates> {
        // It asks for the provider of the whole process, and panics where two are built in and none was chosen.
        if CryptoProvider::get_default().is_none() {
            let _another_was_faster = ring::default_provider().install_default();
        }
        let root_cert = match tls.authorities() {
            Some(path) => {
                let pem = read(url, path)?;
                roots(url, path, &pem)?;
                Some(pem)
            }
            None => None,
        };
        Ok(redis::TlsCertificates {
            client_tls: None,
            root_cert,
        })
    }

    fn read(url: &StoreUrl, path: &str) -> Result<Vec<u8>> {
        let told = |text: String| Error::invalid(format!("{url}: sslrootcert: {text}"));
        let size = std::fs::metadata(path).map(|metadata| metadata.len());
        match size.and_then(|size| Ok((size, std::fs::read(path)?))) {
            Ok((size, _)) if size > FILE_MAX => Err(told(format!(
                "the file {path:?} has {size} bytes, the limit is {FILE_MAX}"
            ))),
            Ok((_, pem)) => Ok(pem),
            Err(error) => {
                Err(told(format!("the file {path:?} cannot be read: {error}")).with_source(error))
            }
        }
    }

    /// The authorities in a file.
    fn roots(url: &StoreUrl, path: &str, pem: &[u8]) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for found in CertificateDer::pem_slice_iter(pem) {
            let added = found.map_err(|error| error.to_string()).and_then(|found| {
                let added = roots.add(found);
                added.map_err(|error| error.to_string())
            });
            if let Err(error) = added {
                let text = format!(
                    "{url}: sslrootcert: the file {path:?} is damaged ({error}); it has to be PEM"
                );
                return Err(Error::invalid(text));
            }
        }
        if roots.is_empty() {
            let text = format!(
                "{url}: sslrootcert: the file {path:?} has no certificate; it has to be PEM"
            );
            return Err(Error::invalid(text));
        }
        Ok(roots)
    }

    /// The authorities that the system trusts. Some of them may not be readable: then the others do.
    #[cfg(feature = "postgres")]
    fn system(url: &StoreUrl) -> Result<RootCertStore> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let text = format!(
                "{url}: the system trusts no authority; install its certificates, or name a file by \
                 sslrootcert=PATH"
            );
            return Err(Error::new(towpath_core::Kind::Storage, text));
        }
        Ok(roots)
    }

    /// What is wrong with the encryption, where that is why a connection failed: nothing that another try
    /// would mend.
    pub(crate) fn refusal(error: &(dyn StdError + 'static)) -> Option<String> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refused) = inner(error) {
                return Some(said(refused));
            }
            next = error.source();
        }
        None
    }

    /// An error of I/O shows as its source not what it holds, but the source of that; and the client of Redis
    /// shares its errors.
    fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
        type Shared = Arc<dyn StdError + Send + Sync>;
        if let Some(shared) = error.downcast_ref::<Shared>() {
            return inner(shared.as_ref());
        }
        let held = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        held.and_then(|held| held.downcast_ref())
            .or_else(|| error.downcast_ref())
    }

    fn said(error: &rustls::Error) -> String {
        match error {
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => format!(
                "the server's certificate is not of this host ({error}); write the name that stands in it"
            ),
            // The signature is bad where another authority has the name of the one that is trusted.
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => {
                "the server's certificate comes from nobody that is trusted here; name the file with its \
                 authority by sslrootcert=PATH"
                    .to_owned()
            }
            rustls::Error::InvalidCertificate(_) => {
                format!("the server's certificate is not accepted ({error}); renew it there")
            }
            rustls::Error::InvalidMessage(_) => format!(
                "what the server says is not TLS ({error}); is this the port on which it speaks it?"
            ),
            _ => format!("the server and this program do not agree on TLS ({error})"),
        }
    }
}
