//! What encrypts a connection, in the shape in which the client of Postgres asks for it.
//!
//! Our own: the crate that brings it parses certificates too, for the binding of passwords to the channel,
//! with a dozen crates behind it; a verified certificate is enough for us.

#[cfg(not(feature = "tls"))]
pub(super) use off::*;
#[cfg(feature = "tls")]
pub(super) use on::*;

#[cfg(not(feature = "tls"))]
mod off {
    use tokio_postgres::NoTls;
    use tokio_postgres::tls::NoTlsStream;
    use towpath_core::url::Tls;
    use towpath_core::{Result, StoreUrl};

    pub(in super::super) type Encryption = NoTls;
    pub(in super::super) type Encrypted = NoTlsStream;

    pub(in super::super) fn encryption(url: &StoreUrl, tls: Option<&Tls>) -> Result<Encryption> {
        match tls {
            None => Ok(NoTls),
            Some(tls) => Err(crate::tls::refuse(url, tls)),
        }
    }
}

#[cfg(feature = "tls")]
mod on {
    use std::future::Future;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use rustls::pki_types::ServerName;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio_postgres::Socket;
    use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client;
    use towpath_core::url::Tls;
    use towpath_core::{Result, StoreUrl};

    /// Encrypts connections, or is never asked to.
    #[derive(Clone)]
    pub(in super::super) struct Encryption(Option<TlsConnector>);

    pub(in super::super) fn encryption(url: &StoreUrl, tls: Option<&Tls>) -> Result<Encryption> {
        let config = tls.map(|tls| crate::tls::config(url, tls)).transpose()?;
        Ok(Encryption(config.map(TlsConnector::from)))
    }

    impl std::fmt::Debug for Encryption {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_tuple("Encryption")
                .field(&self.0.is_some())
                .finish()
        }
    }

    impl MakeTlsConnect<Socket> for Encryption {
        type Stream = Encrypted;
        type TlsConnect = Handshake;
        type Error = io::Error;

        fn make_tls_connect(&mut self, host: &str) -> io::Result<Handshake> {
            let Some(connector) = self.0.clone() else {
                return Ok(Handshake(None));
            };
            let name = ServerName::try_from(host.to_owned());
            let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            Ok(Handshake(Some((connector, name))))
        }
    }

    /// With one machine, whose certificate must be of this name.
    pub(in super::super) struct Handshake(Option<(TlsConnector, ServerName<'static>)>);

    impl TlsConnect<Socket> for Handshake {
        type Stream = Encrypted;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

        fn connect(self, socket: Socket) -> Self::Future {
            Box::pin(async {
                let Some((connector, name)) = self.0 else {
                    return Err(io::ErrorKind::Unsupported.into());
                };
                let stream = connector.connect(name, socket).await?;
                Ok(Encrypted(Box::new(stream)))
            })
        }
    }

    /// Boxed: its buffers would make every connection that is not encrypted as large.
    pub(in super::super) struct Encrypted(Box<client::TlsStream<Socket>>);

    impl TlsStream for Encrypted {
        fn channel_binding(&self) -> ChannelBinding {
            ChannelBinding::none()
        }
    }

    impl AsyncRead for Encrypted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Encrypted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }
}
