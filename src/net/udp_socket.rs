//! A UDP socket.
//!
//! Each operation is one system call, and moves one datagram; batches stand in `udp_batches.rs`. What the socket is
//! told of an earlier datagram (an ICMP "port unreachable" above all) is the error of whatever operation comes next,
//! once, and the socket lives on; so an error of one peer may be seen while another is served, which is how UDP is.
//!
//! A short read means nothing here: each read is a datagram, and the next may be there already. There is no `Read` and
//! no `Write`, since wrappers that take what is left of a buffer later would lose the rest of each datagram. Its
//! options and groups stand in `udp_options.rs`.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use mainspring_sys::{Interest, Socket};

use super::addresses::ToAddresses;
use super::registered::Registered;
use super::udp_options::BindOptions;
use crate::core::Core;
use crate::sentence::sentence;

/// A UDP socket, non-blocking, belonging to the reactor on whose thread it was made.
///
/// The methods are those of std, as futures, and as `try_*`, where `None` means "not yet". All take `&self`, so that
/// several tasks can share a socket. A datagram that is longer than the buffer is cut, and the rest is lost, udp(7): a
/// buffer of 65,527 bytes takes any. Zero bytes are a datagram too, and no end of anything.
///
/// Operations fail with `NotConnected` once the reactor has ended.
///
/// ```
/// use mainspring::net::UdpSocket;
///
/// mainspring::run(async {
///     let server = UdpSocket::bind("127.0.0.1:0")?;
///     let client = UdpSocket::bind("127.0.0.1:0")?;
///     client.send_to(b"ping", server.local_addr()?).await?;
///     let mut buffer = [0; 1500];
///     let (count, peer) = server.recv_from(&mut buffer).await?;
///     assert_eq!((&buffer[..count], peer), (&b"ping"[..], client.local_addr()?));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
///
/// It stays on its thread, and goes to another one by [`into_std`](Self::into_std) and [`from_std`](Self::from_std):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::UdpSocket>();
/// ```
pub struct UdpSocket {
    /// The descriptor and its place in the reactor.
    pub(super) io: Registered<Socket>,
}

impl UdpSocket {
    /// The defaults: the address is shared with nobody.
    pub const fn options() -> BindOptions {
        BindOptions::new()
    }

    /// Binds to the first of `addresses` that can be had. Port 0 takes a free one. A host name is looked up on this
    /// thread, which blocks it: give an address.
    ///
    /// # Errors
    ///
    /// As [`BindOptions::bind`].
    pub fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        Self::options().bind(addresses)
    }

    /// Takes over a socket of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or no reactor is running on this thread.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        let core = Core::running("a UdpSocket")?;
        let socket = Self::register(&core, Socket::from_fd(OwnedFd::from(socket))?)?;
        socket.io.hand_out();
        Ok(socket)
    }

    pub(super) fn register(core: &Core, socket: Socket) -> io::Result<Self> {
        Ok(Self { io: Registered::new(core, socket, Interest::READABLE | Interest::WRITABLE)? })
    }

    /// Gives the socket to the standard library. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        Ok(self.io.into_fd()?.into())
    }

    /// Takes one address for the peer: [`send`](Self::send) goes there, and datagrams of others are dropped. The first
    /// of `addresses` to which there is a way is taken; a host name is looked up off this thread. Nothing is sent. It
    /// may be connected again, elsewhere.
    ///
    /// # Errors
    ///
    /// That of the lookup, or of the last address that was tried: `NetworkUnreachable`, `EAFNOSUPPORT` for an address
    /// of the other family.
    ///
    /// # Cancel safety
    ///
    /// Dropped during a lookup, it has changed nothing.
    pub async fn connect(&self, addresses: impl ToAddresses) -> io::Result<()> {
        let mut last = sentence(io::ErrorKind::InvalidInput, "no address to connect to");
        for address in addresses.to_addresses()?.resolve().await? {
            match self.socket().connect(&address) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    #[inline]
    pub(super) const fn socket(&self) -> &Socket {
        self.io.descriptor()
    }

    /// Sends one datagram to the peer of a connected socket. All of it is sent, or none.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it is too long, which is more than 65,507 bytes over IPv4; `ConnectionRefused` for an earlier
    /// datagram; `EDESTADDRREQ` without a peer; `TimedOut` after the write timeout.
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

    /// Sends one datagram to an address. All of it is sent, or none.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `PermissionDenied` to a broadcast address unless that is
    /// [allowed](Self::set_broadcast); `IsConnected` on the BSDs and Apple if the socket is connected.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent unless the future says so.
    pub fn send_to(&self, buffer: &[u8], address: SocketAddr) -> impl Future<Output = io::Result<usize>> {
        self.io.writing(move |socket| socket.send_to(buffer, &address))
    }

    /// A try of [`send_to`](Self::send_to): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_to`.
    pub fn try_send_to(&self, buffer: &[u8], address: SocketAddr) -> io::Result<Option<usize>> {
        self.io.try_writing(|socket| socket.send_to(buffer, &address))
    }

    /// Receives one datagram. What does not fit into `buffer` is lost. An empty buffer takes none: it is 0 as soon
    /// as receiving is worth a try.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the read timeout; `ConnectionRefused` for an earlier datagram that was sent from here.
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

    /// Receives one datagram, and the address of its sender. What does not fit into `buffer` is lost; an empty buffer
    /// takes a datagram and loses all of it.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is received unless the future returns it.
    pub fn recv_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.io.reading(move |socket| socket.recv_from(buffer))
    }

    /// A try of [`recv_from`](Self::recv_from): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        self.io.try_reading(|socket| socket.recv_from(buffer))
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
    /// As `recv`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken in any case.
    pub fn peek_from(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.io.reading(move |socket| socket.peek_from(buffer))
    }

    /// A try of [`peek_from`](Self::peek_from): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv`.
    pub fn try_peek_from(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        self.io.try_reading(|socket| socket.peek_from(buffer))
    }

    /// Waits until receiving is worth a try: a datagram or an error. A hint; the try may still say "not yet".
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

    /// Waits until sending is worth a try.
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

impl AsFd for UdpSocket {
    /// The descriptor. Whoever has it may duplicate it, so the socket is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("UdpSocket");
        debug.field("local", &self.local_addr().ok());
        if let Ok(peer) = self.peer_addr() {
            debug.field("peer", &peer);
        }
        debug.finish()
    }
}
