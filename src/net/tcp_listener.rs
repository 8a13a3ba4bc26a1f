//! A listening TCP socket.
//!
//! What it shares with a Unix listener, above all its way with errors, stands in `listener.rs`; here are its settings,
//! its addresses, and the public face. Settings come before the bind, in a struct of their own, because most of them
//! cannot be made good afterwards; a `bind` with five arguments was turned down.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use mainspring_sys::Socket;

use super::addresses::ToAddresses;
use super::incoming::Incoming;
use super::leaf;
use super::listener::{BACKLOG, Listener};
use super::tcp_stream::TcpStream;
use crate::attempted::in_words;
use crate::core::Core;
use crate::direction::Direction;
use crate::sentence::sentence;

/// Settings of a listener, and then the listener.
///
/// ```
/// use mainspring::net::TcpListener;
///
/// mainspring::run(async {
///     let listener = TcpListener::options().backlog(128).nodelay(true).bind("127.0.0.1:0")?;
///     println!("listening on {}", listener.local_addr()?);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing before `bind`"]
pub struct ListenOptions {
    /// Connections that the system keeps until they are accepted; more than `i32::MAX` is cut to that.
    backlog: u32,
    /// Whether `SO_REUSEPORT` is set before the bind.
    reuse_port: bool,
    /// Whether it is set after the bind: nobody else has the port then, and others may join.
    is_first: bool,
    /// Whether `TCP_NODELAY` is set on the listening socket.
    nodelay: bool,
}

impl ListenOptions {
    /// How many connections the system keeps until they are accepted: 4,096 by default, at most `i32::MAX`; Linux cuts
    /// it to `net.core.somaxconn`.
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Shares the address with other listeners that set this too (`SO_REUSEPORT`), one per reactor: Linux and DragonFly
    /// spread connections over them. Off by default.
    pub const fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether small writes are sent at once: accepted connections inherit it on Linux. On by default.
    pub const fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Binds to the first of `addresses` that can be had, and listens, on the reactor that is running on this thread.
    ///
    /// A host name is looked up on this thread, which blocks it: give an address.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, `PermissionDenied` and whatever else `bind(2)` and `listen(2)` report, for the last address that
    /// was tried, which is in the text; the system's own error, with its raw code, is the `source`. When no reactor is
    /// running on this thread.
    ///
    /// ```
    /// use mainspring::net::TcpListener;
    /// use std::{error::Error, io};
    ///
    /// mainspring::run(async {
    ///     let first = TcpListener::bind("127.0.0.1:0")?;
    ///     let error = TcpListener::bind(first.local_addr()?).unwrap_err();
    ///     assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    ///     let system: &io::Error = error.source().and_then(|source| source.downcast_ref()).unwrap();
    ///     assert!(system.raw_os_error().is_some());
    ///     io::Result::Ok(())
    /// })??;
    /// # io::Result::Ok(())
    /// ```
    pub fn bind(self, addresses: impl ToAddresses) -> io::Result<TcpListener> {
        let core = Core::running("a TcpListener")?;
        Ok(TcpListener { listener: Listener::new(&core, self.open(addresses)?)? })
    }

    /// The first of several listeners that share a port with each other, and with nobody who has it already, where the
    /// system can tell ([`Socket::SHARES_ONCE_BOUND`]). Elsewhere as [`reuse_port`](Self::reuse_port).
    #[cfg(feature = "service")]
    pub(crate) const fn first(mut self) -> Self {
        self.is_first = Socket::SHARES_ONCE_BOUND;
        self.reuse_port = !self.is_first;
        self
    }

    /// The listening socket, which belongs to no reactor yet.
    pub(crate) fn open(&self, addresses: impl ToAddresses) -> io::Result<Socket> {
        let mut last = sentence(io::ErrorKind::InvalidInput, "no address to listen on");
        for address in addresses.to_addresses()?.resolve_blocking()? {
            match self.listen(address) {
                Ok(socket) => {
                    socket.set_nodelay(self.nodelay)?;
                    return Ok(socket);
                }
                Err(error) => last = in_words(format!("cannot listen on {address}"), error),
            }
        }
        Err(last)
    }

    fn listen(&self, address: SocketAddr) -> io::Result<Socket> {
        let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
        if !self.is_first {
            return Socket::listen(address, backlog, self.reuse_port);
        }
        let socket = Socket::tcp(&address)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address)?;
        socket.set_reuse_port(true)?;
        socket.start_listening(backlog)?;
        Ok(socket)
    }
}

/// A listening TCP socket, belonging to the reactor on whose thread it was made.
///
/// ```
/// use mainspring::net::{TcpListener, TcpStream};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, peer) = listener.accept().await?;
///     assert_eq!(peer, client.local_addr()?);
///     assert!(listener.try_accept()?.is_none());
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
///
/// It stays on its thread, and goes to another one by [`into_std`](Self::into_std) and [`from_std`](Self::from_std):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::TcpListener>();
/// ```
pub struct TcpListener {
    /// What it shares with other kinds.
    listener: Listener,
}

impl TcpListener {
    /// The defaults: a backlog of 4,096, `TCP_NODELAY`, the address not shared. `SO_REUSEADDR` is always set.
    pub const fn options() -> ListenOptions {
        ListenOptions { backlog: BACKLOG, reuse_port: false, is_first: false, nodelay: true }
    }

    /// Binds to the first of `addresses` that can be had, and listens. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// As [`ListenOptions::bind`].
    pub fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        Self::options().bind(addresses)
    }

    /// Takes over a listener of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or no reactor is running on this thread.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        let core = Core::running("a TcpListener")?;
        Ok(Self { listener: Listener::from_fd(&core, listener.into())? })
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// Errors of the listener itself only (it was shut down, its reactor has ended). A connection that failed before it
    /// was accepted is counted in [`Stats`](crate::Stats) and passed over. When the process or the system is out of
    /// descriptors or memory, the listener pauses 10 ms, twice as long each time up to 500 ms, and tries again; it also
    /// does when this reactor closes a source.
    ///
    /// # Cancel safety
    ///
    /// No connection is accepted unless the future returns it.
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> {
        leaf::reading(self.listener.io.source(), || self.accept_one())
    }

    /// A try of [`accept`](Self::accept): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `accept`.
    pub fn try_accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        self.listener.io.source().try_io(Direction::Read, || self.accept_one())
    }

    /// Connections as they come, without end.
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming::new(self, self.listener.io.source())
    }

    pub(super) fn accept_one(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept_one(Socket::accept, true)?;
        Ok((TcpStream::of(stream), peer))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.io.descriptor().local_addr()
    }

    /// Gives the listener to the standard library. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.listener.io.into_fd()?.into())
    }
}

impl AsFd for TcpListener {
    /// The descriptor. Whoever has it may duplicate it, so the listener is removed from the selector before it is
    /// closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.io.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.local_addr().ok()).finish()
    }
}
