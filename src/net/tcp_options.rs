//! The addresses and options of a TCP connection.
//!
//! Each is one system call, made by `mainspring-sys`. They stand on the stream, so that the descriptor need not be
//! handed out for them: a stream whose descriptor nobody has seen is closed without a word to the selector.
//!
//! For users, in the names of std where std has them. None waits, and none looks at readiness, so each may be called at
//! any time. What has to be set before a connection is made stands in `connect_options.rs`; to have all options there
//! was turned down, as accepted connections would have none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::tcp_stream::TcpStream;

impl TcpStream {
    /// The address of this end.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.socket().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the peer has gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.socket().peer_addr()
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). Inherited from the listener on Linux.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream.socket().set_nodelay(nodelay)
    }

    /// Whether `TCP_NODELAY` is set.
    ///
    /// # Errors
    ///
    /// Those of `getsockopt(2)`.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.stream.socket().nodelay()
    }

    /// What close does with data that is not acknowledged (`SO_LINGER`). `None`, the default, sends it in the
    /// background. Zero resets the connection. Any other time, up to 32,767 seconds and rounded up to whole ones,
    /// **blocks** the thread that closes, and with it its reactor.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.stream.socket().set_linger(linger)
    }

    /// Probes an idle peer after this time (`SO_KEEPALIVE`, `TCP_KEEPIDLE`); `None` turns it off.
    ///
    /// # Errors
    ///
    /// Those of `setsockopt(2)`.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        self.stream.socket().set_keepalive(idle)
    }

    /// The size of the receive buffer in bytes, as a request to the system (`SO_RCVBUF`; Linux doubles it). What is to
    /// be more than 64 KiB is better [set before connecting](super::ConnectOptions::recv_buffer_size).
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
