//! A Unix datagram socket.
//!
//! As UDP between the processes of one machine, with descriptors that can go along, and with back-pressure: nothing is
//! lost on the way, so a sender waits while the receiver's queue is full. Of a connected socket the selector tells when
//! there is room again; what is sent to an address stands in `unix_send_to.rs`.
//!
//! Sequenced packets (`SOCK_SEQPACKET`) are left out, because Apple has none.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mainspring_sys::{Datagrams, Interest, Socket};

use super::full_receivers::FullReceivers;
use super::leaf;
use super::registered::Registered;
use crate::attempted::in_words;
use crate::core::Core;
use crate::direction::Direction;

/// A Unix datagram socket, non-blocking, belonging to the reactor on whose thread it was made.
///
/// The methods are those of [`UdpSocket`](super::UdpSocket), in the same styles, and those of its own kind. A datagram
/// that is longer than the buffer is cut, and the rest is lost. The path that it was bound to stays when it is dropped.
///
/// ```
/// use mainspring::net::UnixDatagram;
///
/// mainspring::run(async {
///     let (left, right) = UnixDatagram::pair()?;
///     left.send(b"ping").await?;
///     let mut buffer = [0; 16];
///     let count = right.recv(&mut buffer).await?;
///     assert_eq!(&buffer[..count], b"ping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
///
/// It stays on its thread, and goes to another one by [`into_std`](Self::into_std) and [`from_std`](Self::from_std):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::UnixDatagram>();
/// ```
pub struct UnixDatagram {
    /// The descriptor and its place in the reactor.
    pub(super) io: Registered<Socket>,
    /// Whose queues are full, of those that it sends to by their addresses.
    pub(super) full: FullReceivers,
}

/// A socket with an address.
fn bound(address: &SocketAddr) -> io::Result<Socket> {
    let socket = Socket::unix_datagram()?;
    socket.bind_unix(address)?;
    Ok(socket)
}

impl UnixDatagram {
    /// Makes the file of a path, and receives there.
    ///
    /// # Errors
    ///
    /// As of [`UnixListener::bind`](super::UnixListener::bind).
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let core = Core::running("a UnixDatagram")?;
        let bound = bound(&SocketAddr::from_pathname(path)?);
        let socket = bound.map_err(|error| in_words(format!("cannot receive on {}", path.display()), error))?;
        Self::register(&core, socket)
    }

    /// Receives at an address, which may be an [abstract name](super::abstract_address).
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let core = Core::running("a UnixDatagram")?;
        Self::register(&core, bound(address)?)
    }

    /// A socket without an address: it can send, and nobody can answer.
    ///
    /// # Errors
    ///
    /// When no socket can be had, it cannot be registered, or no reactor is running on this thread.
    pub fn unbound() -> io::Result<Self> {
        let core = Core::running("a UnixDatagram")?;
        Self::register(&core, Socket::unix_datagram()?)
    }

    /// Two sockets that are connected to each other, and have no address.
    ///
    /// # Errors
    ///
    /// As [`unbound`](Self::unbound).
    pub fn pair() -> io::Result<(Self, Self)> {
        let core = Core::running("a UnixDatagram")?;
        let (left, right) = Socket::unix_datagram_pair()?;
        Ok((Self::register(&core, left)?, Self::register(&core, right)?))
    }

    /// Takes over a socket of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or no reactor is running on this thread.
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        let core = Core::running("a UnixDatagram")?;
        let socket = Self::register(&core, Socket::from_fd(OwnedFd::from(socket))?)?;
        socket.io.hand_out();
        Ok(socket)
    }

    fn register(core: &Core, socket: Socket) -> io::Result<Self> {
        let io = Registered::new(core, socket, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { io, full: FullReceivers::new() })
    }

    /// Gives the socket to the standard library. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixDatagram> {
        Ok(self.io.into_fd()?.into())
    }

    /// Takes the socket at a path for the peer: [`send`](Self::send) goes there, and datagrams of others are refused.
    /// It may be connected again, elsewhere. It does not wait.
    ///
    /// # Errors
    ///
    /// Those of `connect(2)`: `NotFound`, `ConnectionRefused` if nobody has the path open, `PermissionDenied` if the
    /// other socket is connected elsewhere, `EPROTOTYPE` to a stream.
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// As [`connect`](Self::connect), to an address.
    ///
    /// # Errors
    ///
    /// As `connect`.
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.io.descriptor().connect_unix(address).map(drop)
    }

    /// Sends one datagram to the peer of a connected socket. All of it is sent, or none.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it is too long; `ConnectionRefused` or `ConnectionReset` when the peer has gone; `NotConnected`
    /// without one; `TimedOut` after the write timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent unless the future says so.
    pub fn send(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.writing(move |socket| socket.send(buffer))
    }

    /// A try of [`send`](Self::send): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send`.
    pub fn try_send(&self, buffer: &[u8]) -> io::Result<Option<usize>> {
        self.io.try_writing(|socket| socket.send(buffer))
    }

    /// Receives one datagram. What does not fit into `buffer` is lost. An empty buffer takes none: it is 0 as soon
    /// as receiving is worth a try.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the read timeout, and whatever else `recv(2)` reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is received unless the future returns it.
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.reading(move |socket| socket.recv(buffer))
    }

    /// A try of [`recv`](Self::recv): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.io.try_reading(|socket| socket.recv(buffer))
    }

    /// Receives one datagram, and the address of its sender, which is unnamed unless that was bound. What does not fit
    /// into `buffer` is lost; an empty buffer takes a datagram and loses all of it.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is received unless the future returns it.
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.io.reading(move |socket| socket.recv_from_unix(buffer))
    }

    /// A try of [`recv_from`](Self::recv_from): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        self.io.try_reading(|socket| socket.recv_from_unix(buffer))
    }

    /// Receives as [`recv`](Self::recv), and leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// As `recv`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken in any case.
    ///
    /// ```
    /// use mainspring::net::UnixDatagram;
    ///
    /// mainspring::run(async {
    ///     let (left, right) = UnixDatagram::pair()?;
    ///     left.send(b"ping").await?;
    ///     assert_eq!(right.peek(&mut [0; 2]).await?, 2);
    ///     assert_eq!(right.recv(&mut [0; 16]).await?, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.reading(move |socket| socket.peek(buffer))
    }

    /// A try of [`peek`](Self::peek): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.io.try_reading(|socket| socket.peek(buffer))
    }

    /// Receives as [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken in any case.
    pub fn peek_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.io.reading(move |socket| socket.peek_from_unix(buffer))
    }

    /// A try of [`peek_from`](Self::peek_from): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        self.io.try_reading(|socket| socket.peek_from_unix(buffer))
    }

    /// Receives a batch, as [`UdpSocket::recv_datagrams`](super::UdpSocket::recv_datagrams).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv). The batch is empty then.
    ///
    /// # Cancel safety
    ///
    /// Nothing is received unless the future returns it; what was in the batch is gone.
    pub fn recv_datagrams(&self, batch: &mut Datagrams) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(self.io.source(), move || self.io.recv_datagrams(batch))
    }

    /// A try of [`recv_datagrams`](Self::recv_datagrams): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_recv_datagrams(&self, batch: &mut Datagrams) -> io::Result<Option<usize>> {
        self.io.source().try_io(Direction::Read, || self.io.recv_datagrams(batch))
    }

    /// Waits until receiving is worth a try. A hint; the try may still say "not yet".
    ///
    /// # Errors
    ///
    /// `NotConnected` when the reactor has ended; `TimedOut` after the read timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.readable()
    }

    /// Waits until sending is worth a try. It says nothing about the queue of a receiver that it is not connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the reactor has ended; `TimedOut` after the write timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.io.writable()
    }

    /// Closes one direction or both of a connected socket. Whoever waits on it is woken, and finds out by trying.
    ///
    /// # Errors
    ///
    /// Those of `shutdown(2)`; that it is not connected is none.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.descriptor().shutdown(how)?;
        self.io.wake_all();
        Ok(())
    }

    /// How long one wait for reading may last, as of [`TcpStream`](super::TcpStream::set_read_timeout): `None` and
    /// `Duration::MAX` for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    /// How long one wait for writing may last, as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    /// The read timeout.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.io.read_timeout()
    }

    /// The write timeout.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.io.write_timeout()
    }
}

impl AsFd for UnixDatagram {
    /// The descriptor. Whoever has it may duplicate it, so the socket is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for UnixDatagram {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("UnixDatagram");
        debug.field("local", &self.local_addr().ok());
        if let Ok(peer) = self.peer_addr() {
            debug.field("peer", &peer);
        }
        debug.finish()
    }
}
