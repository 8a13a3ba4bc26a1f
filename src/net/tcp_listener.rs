//! A listening TCP socket.
//!
//! Its accept has no error that a loop would have to know about. A connection that failed before it was accepted is
//! counted and passed over; when descriptors or memory run out, the listener pauses, longer each time, and tries again by
//! itself, since no edge announces a free descriptor. What is left are errors of the listener itself. Returning `EMFILE`
//! to the caller, as other libraries do, makes every accept loop either spin or end.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use mainspring_sys::{AcceptError, Interest, Readiness, Socket};

use super::addresses::ToAddresses;
use super::incoming::Incoming;
use super::leaf;
use super::tcp_stream::TcpStream;
use crate::core::Core;
use crate::direction::Direction;
use crate::source::Source;

/// Connections that the system keeps until they are accepted. Linux cuts it to `net.core.somaxconn`, 4,096 by default.
pub(crate) const BACKLOG: u32 = 4096;

/// Failed connections that are passed over within one try: system calls that cost no budget. After as many the
/// listener pauses, so that a flood of connections that are reset at once does not hold up the loop.
const FAILED_MAX: usize = 64;

/// The first pause when descriptors run out, nanoseconds: short enough that nobody notices.
const PAUSE_MIN: u64 = 10_000_000;

/// The longest pause, nanoseconds, reached after six in a row: what nginx waits.
const PAUSE_MAX: u64 = 500_000_000;

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
    /// Whether `TCP_NODELAY` is set on the listening socket.
    nodelay: bool,
}

impl ListenOptions {
    /// How many connections the system keeps until they are accepted: 4,096 by default, at most `i32::MAX`; Linux cuts it
    /// to `net.core.somaxconn`.
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
    /// `AddrInUse`, `PermissionDenied` and whatever else `bind(2)` and `listen(2)` report, for the last address that was
    /// tried; when no reactor is running on this thread.
    pub fn bind(self, addresses: impl ToAddresses) -> io::Result<TcpListener> {
        let core = Core::running("a TcpListener")?;
        TcpListener::register(&core, self.open(addresses)?)
    }

    /// The listening socket, which belongs to no reactor yet.
    pub(crate) fn open(&self, addresses: impl ToAddresses) -> io::Result<Socket> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
        for address in addresses.to_addresses()?.resolve_blocking()? {
            let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
            match Socket::listen(address, backlog, self.reuse_port) {
                Ok(socket) => {
                    socket.set_nodelay(self.nodelay)?;
                    return Ok(socket);
                }
                Err(error) => last = io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")),
            }
        }
        Err(last)
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
pub struct TcpListener {
    /// The descriptor.
    socket: Socket,
    /// What the reactor knows of it.
    source: Rc<Source>,
    /// The pause that is taken next, when descriptors run out; nanoseconds.
    pause: Cell<u64>,
}

impl TcpListener {
    /// The defaults: a backlog of 4,096, `TCP_NODELAY`, the address not shared. `SO_REUSEADDR` is always set.
    pub const fn options() -> ListenOptions {
        ListenOptions { backlog: BACKLOG, reuse_port: false, nodelay: true }
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
        let listener = Self::register(&core, Socket::from_fd(OwnedFd::from(listener))?)?;
        listener.source.hand_out();
        Ok(listener)
    }

    pub(crate) fn register(core: &Core, socket: Socket) -> io::Result<Self> {
        let source = core.register(socket.as_fd(), Interest::READABLE, Readiness::READABLE, false)?;
        Ok(Self { socket, source, pause: Cell::new(PAUSE_MIN) })
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
        leaf::reading(&self.source, || self.accept_one())
    }

    /// A try of [`accept`](Self::accept): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `accept`.
    pub fn try_accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        self.source.try_io(Direction::Read, || self.accept_one())
    }

    /// Connections as they come, without end.
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming::new(self)
    }

    pub(super) const fn source(&self) -> &Rc<Source> {
        &self.source
    }

    /// Makes the next try ask the system, whatever is believed: the event of a connection may not have been taken yet.
    pub(crate) fn ask_again(&self) {
        self.source.wake_all(self.source.core());
    }

    pub(super) fn accept_one(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let core = self.source.core();
        for _ in 0..FAILED_MAX {
            let error = match self.socket.accept() {
                Ok((socket, peer)) => {
                    // Why no error of the listener: `epoll_ctl(2)` is out of memory or watches (ENOMEM, ENOSPC).
                    let Ok(stream) = TcpStream::accepted(core, socket) else {
                        core.counters.accept_failed.add(1);
                        return Err(self.run_short());
                    };
                    self.pause.set(PAUSE_MIN);
                    core.counters.accepted.add(1);
                    return Ok((stream, peer));
                }
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                return Err(error);
            }
            match AcceptError::of(&error) {
                AcceptError::Connection => core.counters.accept_failed.add(1),
                AcceptError::Moment => return Err(self.run_short()),
                AcceptError::Listener => return Err(error),
            }
        }
        Err(self.pause())
    }

    /// There was no descriptor for a connection. Says "not yet" now, and is tried again after a while, or when this
    /// reactor has closed a descriptor.
    #[cold]
    fn run_short(&self) -> io::Error {
        self.source.core().await_descriptor(self.source.token());
        self.pause()
    }

    /// Says "not yet" now, and is tried again after a while.
    #[cold]
    fn pause(&self) -> io::Error {
        let pause = self.pause.get();
        // A connection that arrives during a pause is an event, and is tried; it does not start another pause.
        if self.source.retry_after(Direction::Read, pause) {
            self.source.core().counters.accept_paused.add(1);
            self.pause.set((pause * 2).min(PAUSE_MAX));
        }
        io::ErrorKind::WouldBlock.into()
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of `getsockname(2)`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Gives the listener to the standard library. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        let descriptor = self.socket.as_fd().try_clone_to_owned()?;
        self.source.core().deregister(self.socket.as_fd())?;
        drop(self);
        Ok(descriptor.into())
    }
}

impl AsFd for TcpListener {
    /// The descriptor. Whoever has it may duplicate it, so the listener is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.hand_out();
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.source.close();
        if self.source.is_handed_out() {
            // Why ignored: there is nobody to tell, and the descriptor is closed next.
            let _ = self.source.core().deregister(self.socket.as_fd());
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local", &self.local_addr().ok()).finish()
    }
}
