//! A listening Unix socket.
//!
//! What it shares with a TCP listener, above all its way with errors, stands in `listener.rs`. Its address is a path,
//! or on Linux an abstract name, which is gone with its socket. A path stays in the file system when the listener is
//! closed, and nothing here removes it: only whoever made it knows whether it is still his, and a listener that removes
//! its path when it is dropped takes that of its successor away.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use mainspring_sys::Socket;

use super::incoming::Incoming;
use super::leaf;
use super::listener::Listener;
use super::unix_listen_options::UnixListenOptions;
use super::unix_stream::UnixStream;
use crate::core::Core;
use crate::direction::Direction;

/// A listening Unix stream socket, belonging to the reactor on whose thread it was made.
///
/// The path that it was bound to stays when it is dropped: remove it, before the next bind at the latest.
///
/// ```
/// use mainspring::net::{UnixListener, UnixStream};
///
/// # let folder = std::env::temp_dir().join(format!("mainspring-listener-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("socket");
/// mainspring::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let _client = UnixStream::connect(&path).await?;
///     let (server, peer) = listener.accept().await?;
///     assert!(peer.is_unnamed());
///     assert_eq!(server.local_addr()?.as_pathname(), Some(&*path));
///     std::io::Result::Ok(())
/// })??;
/// # std::fs::remove_dir_all(&folder)?;
/// # std::io::Result::Ok(())
/// ```
///
/// It stays on its thread, and goes to another one by [`into_std`](Self::into_std) and [`from_std`](Self::from_std):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::UnixListener>();
/// ```
pub struct UnixListener {
    /// What it shares with other kinds.
    listener: Listener,
}

impl UnixListener {
    /// The defaults: a backlog of 4,096.
    pub const fn options() -> UnixListenOptions {
        UnixListenOptions::new()
    }

    /// Makes the file of a path, and listens there.
    ///
    /// # Errors
    ///
    /// As [`UnixListenOptions::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::options().bind(path)
    }

    /// Listens at an address, which may be an [abstract name](super::abstract_address).
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::options().bind_addr(address)
    }

    /// Takes over a listener of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or no reactor is running on this thread.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        let core = Core::running("a UnixListener")?;
        Ok(Self { listener: Listener::from_fd(&core, listener.into())? })
    }

    pub(super) fn register(core: &Core, socket: Socket) -> io::Result<Self> {
        Ok(Self { listener: Listener::new(core, socket)? })
    }

    /// Gives the listener to the standard library. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        Ok(self.listener.io.into_fd()?.into())
    }

    /// Waits for a connection, and returns it with the address of its peer, which is unnamed unless it was bound.
    ///
    /// # Errors
    ///
    /// Errors of the listener itself only, as of [`TcpListener::accept`](super::TcpListener::accept), with the same
    /// pauses when there are no descriptors.
    ///
    /// # Cancel safety
    ///
    /// No connection is accepted unless the future returns it.
    pub fn accept(&self) -> impl Future<Output = io::Result<(UnixStream, SocketAddr)>> {
        leaf::reading(self.listener.io.source(), || self.accept_one())
    }

    /// A try of [`accept`](Self::accept): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `accept`.
    pub fn try_accept(&self) -> io::Result<Option<(UnixStream, SocketAddr)>> {
        self.listener.io.source().try_io(Direction::Read, || self.accept_one())
    }

    /// Connections as they come, without end.
    pub const fn incoming(&self) -> Incoming<'_, Self> {
        Incoming::new(self, self.listener.io.source())
    }

    pub(super) fn accept_one(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept_one(Socket::accept_unix, false)?;
        Ok((UnixStream::of(stream), peer))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.io.descriptor().local_unix_addr()
    }
}

impl AsFd for UnixListener {
    /// The descriptor. Whoever has it may duplicate it, so the listener is removed from the selector before it is
    /// closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.io.as_fd()
    }
}

impl AsRawFd for UnixListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("local", &self.local_addr().ok()).finish()
    }
}
