//! The addresses and options of Unix streams and datagrams, and who the peer is.
//!
//! Each is one system call, made by `mainspring-sys`. They stand on the socket, so that the descriptor need not be
//! handed out for them. None waits, and none looks at readiness, so each may be called at any time.
//!
//! Addresses are those of std: a path, an abstract name ([`abstract_name`](super::abstract_name) tells), or none.

use std::io;
use std::os::unix::net::SocketAddr;

use mainspring_sys::PeerCredentials;

use super::unix_datagram::UnixDatagram;
use super::unix_stream::UnixStream;

impl UnixStream {
    /// The address of this end: unnamed unless it was accepted or bound.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.socket().local_unix_addr()
    }

    /// The address of the other end: unnamed unless it is a listener's or was bound.
    ///
    /// # Errors
    ///
    /// Those of `getpeername(2)`. Of a peer that has gone, Linux tells the address still, and others say
    /// `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.socket().peer_unix_addr()
    }

    /// The user, group and process at the other end, as the system vouches for them.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`; `Unsupported` on illumos.
    ///
    /// ```
    /// use mainspring::net::UnixStream;
    ///
    /// mainspring::run(async {
    ///     let (left, _right) = UnixStream::pair()?;
    ///     println!("user {}", left.peer_credentials()?.user);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.stream.socket().peer_credentials()
    }

    /// The size of the receive buffer in bytes, as a request to the system (`SO_RCVBUF`; Linux doubles it).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.stream.socket().set_recv_buffer_size(bytes)
    }

    /// The size of the send buffer in bytes, as a request to the system (`SO_SNDBUF`; Linux doubles it).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.stream.socket().set_send_buffer_size(bytes)
    }

    /// The error that is pending on the socket, taken (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream.socket().take_error()
    }
}

impl UnixDatagram {
    /// The address of this end: unnamed unless it was bound.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.descriptor().local_unix_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.descriptor().peer_unix_addr()
    }

    /// The user, group and process at the other end of a pair, as the system vouches for them.
    ///
    /// # Errors
    ///
    /// `NotConnected` for one that is not of a pair; `Unsupported` where the system does not tell of datagrams.
    pub fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        self.io.descriptor().peer_credentials()
    }

    /// The size of the receive buffer in bytes, as a request to the system (`SO_RCVBUF`; Linux doubles it).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.io.descriptor().set_recv_buffer_size(bytes)
    }

    /// The size of the send buffer in bytes, as a request to the system (`SO_SNDBUF`; Linux doubles it).
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.io.descriptor().set_send_buffer_size(bytes)
    }

    /// The error that is pending on the socket, taken (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.descriptor().take_error()
    }
}
