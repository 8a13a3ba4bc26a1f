//! TLS (RFC 8446) by rustls, over a stream of Mainspring.
//!
//! rustls reads and writes through std's `Read` and `Write`, and keeps its place when it sees `WouldBlock`. So its own
//! `rustls::StreamOwned` works inside [`ready`] as it is, with one limit: it writes what the session owes before it
//! reads, so two ends that both send more than the sockets hold, and read in between, wait for each other for ever.
//! [`Tls`] tries to write, and reads in any case; and it can say goodbye ([`HalfClose`]), which is what hyper and the
//! codecs need.
//!
//! What it does not do: renegotiate (TLS 1.3 has none, rustls none at all). Keys are updated on request of either side.
//!
//! A handshake has a limit for the whole of it, since a timeout of the socket starts anew with each byte.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mainspring::io::HalfClose;
use mainspring::ready;
use mainspring::time::timeout;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

/// How long a handshake may last in all.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// A TLS session and the stream that it runs over.
#[derive(Debug)]
pub struct Tls<S> {
    /// Plain bytes on this side, records on the other.
    session: Connection,
    /// Carries the records.
    stream: S,
    /// Set once the goodbye is on its way: nothing of ours follows it.
    says_goodbye: bool,
}

impl<S: Read + Write> Tls<S> {
    /// The server's side of a handshake, which may last for `limit`.
    ///
    /// # Errors
    ///
    /// `TimedOut` after `limit`; `InvalidData` with the error of rustls, which the peer has been sent as an alert;
    /// `UnexpectedEof` when the peer ends first; those of `stream`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the connection is dropped with the future.
    pub async fn accept(stream: S, config: Arc<ServerConfig>, limit: Duration) -> io::Result<Self> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Self::begin(session.into(), stream, limit).await
    }

    /// The client's side of a handshake with `name`, which may last for `limit`.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept); a certificate that is not for `name`, or not trusted, is among those of rustls.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the connection is dropped with the future.
    pub async fn connect(
        stream: S,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        limit: Duration,
    ) -> io::Result<Self> {
        let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Self::begin(session.into(), stream, limit).await
    }

    async fn begin(session: Connection, stream: S, limit: Duration) -> io::Result<Self> {
        let mut tls = Self { session, stream, says_goodbye: false };
        timeout(limit, ready(|| tls.handshake())).await??;
        Ok(tls)
    }

    /// The session, for what was agreed upon and for updates of its keys.
    pub const fn session(&mut self) -> &mut Connection {
        &mut self.session
    }

    /// The stream below.
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    fn handshake(&mut self) -> io::Result<()> {
        while self.session.is_handshaking() {
            self.write_records()?;
            if self.session.is_handshaking() && !self.read_records()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.write_records()
    }

    /// Writes what the session owes. `WouldBlock` while not all of it has gone.
    fn write_records(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.stream)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// The same as far as it goes; the rest goes with the next operation.
    fn push(&mut self) -> io::Result<()> {
        match self.write_records() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Takes in what has arrived; false at the end of the stream.
    fn read_records(&mut self) -> io::Result<bool> {
        let count = self.session.read_tls(&mut self.stream)?;
        if let Err(error) = self.session.process_new_packets() {
            // The alert. Why ignored: the error that it tells of is returned next.
            let _ = self.push();
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(count > 0)
    }
}

impl<S: Read + Write> Read for Tls<S> {
    /// 0 is a goodbye. A stream that ends without one may have been cut off: `UnexpectedEof`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Bounded by what has arrived: each turn takes some in, or is the last.
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            if !self.says_goodbye {
                self.push()?;
            }
            self.read_records()?;
        }
    }
}

impl<S: Read + Write> Write for Tls<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buffer)])
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        // Before it takes more: so what waits is never more than the session took once.
        self.write_records()?;
        let count = self.session.writer().write_vectored(buffers)?;
        self.push()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_records()?;
        self.stream.flush()
    }
}

impl<S: Read + Write + HalfClose> HalfClose for Tls<S> {
    /// The goodbye of TLS (RFC 8446 §6.1), which ends this direction alone, and then that of the stream. A peer that
    /// has gone after its own needs none.
    fn shutdown_write(&mut self) -> io::Result<()> {
        if !self.says_goodbye {
            self.write_records()?;
            self.says_goodbye = true;
            self.session.send_close_notify();
        }
        match self.write_records() {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.stream.shutdown_write(),
        }
    }
}

/// What a server needs: its certificates and their key, from files in PEM, and the protocols that it speaks, best
/// first.
///
/// # Errors
///
/// When a file cannot be read, holds no such thing, or key and certificate do not belong together.
pub fn server_config(certificates: &Path, key: &Path, protocols: &[&str]) -> io::Result<Arc<ServerConfig>> {
    let chain = read_certificates(certificates)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| in_file(certificates, error))?;
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// What a client needs: whom it trusts, from a file in PEM.
///
/// # Errors
///
/// When the file cannot be read or holds no certificates.
pub fn client_config(roots: &Path) -> io::Result<Arc<ClientConfig>> {
    let mut store = RootCertStore::empty();
    for certificate in read_certificates(roots)? {
        store.add(certificate).map_err(|error| in_file(roots, error))?;
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(store).with_no_client_auth()))
}

fn read_certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(in_file(path, "no certificate in it")),
        read => read.map_err(|error| in_file(path, error)),
    }
}

fn in_file(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("{}: {error}", path.display()))
}

/// The name that a server has to show a certificate for.
///
/// # Errors
///
/// When `host` is neither a host name nor an address.
pub fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let name = ServerName::try_from(host.to_string());
    name.map_err(|error| io::Error::new(ErrorKind::InvalidInput, format!("host {host}: {error}")))
}
