//! A TCP connection.
//!
//! It owns the descriptor and shares its [`Source`] with the reactor. A descriptor that nobody else has seen is closed and
//! nothing more, since close removes it from the selector; one that was handed out may have a duplicate, and is removed
//! first. Urgent data, kernel TLS and the like make a short read mean nothing; the source sees to that.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use mainspring_sys::{Interest, Readiness, Socket};

use super::addresses::ToAddresses;
use super::connect::{self, Connecting};
use super::leaf;
use crate::codec::HalfClose;
use crate::core::Core;
use crate::direction::Direction;
use crate::source::Source;

/// A TCP connection, non-blocking, belonging to the reactor on whose thread it was made.
///
/// The methods are those of std, as futures, and as `try_*`, where `None` means "not yet". Reading and writing take
/// `&self`, so that two tasks can share a stream. `Read` and `Write` are implemented for `TcpStream` and `&TcpStream`,
/// for use inside [`ready`](crate::ready) and ticks; elsewhere they fail at the first call and say so.
///
/// Dropping it closes the connection. Operations fail with `NotConnected` once the reactor has ended.
///
/// ```
/// use mainspring::net::{TcpListener, TcpStream};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _peer) = listener.accept().await?;
///     client.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let count = server.read(&mut buffer).await?;
///     assert_eq!(&buffer[..count], b"ping");
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpStream {
    /// The descriptor.
    pub(super) socket: Socket,
    /// What the reactor knows of it.
    pub(super) source: Rc<Source>,
}

/// How long a send waits for memory, nanoseconds: as the first pause of a listener.
const MEMORY_PAUSE: u64 = 10_000_000;

/// What a stream is registered for, once.
fn interest() -> Interest {
    Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY
}

impl TcpStream {
    /// Connects to the first of `addresses` that answers. A host name is looked up off this thread.
    ///
    /// # Errors
    ///
    /// That of the lookup, or of the last address that was tried, with its raw OS code.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket that was connecting.
    pub async fn connect(addresses: impl ToAddresses) -> io::Result<Self> {
        connect::connect(addresses).await
    }

    /// Starts to connect to one address, without waiting: for ticks.
    ///
    /// # Errors
    ///
    /// When no socket can be had, the address is refused at once, or no reactor is running on this thread.
    pub fn start_connect(address: SocketAddr) -> io::Result<Connecting> {
        Connecting::start(address)
    }

    /// Takes over a connection of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or no reactor is running on this thread.
    ///
    /// ```
    /// use mainspring::net::TcpStream;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// mainspring::run(async {
    ///     let client = TcpStream::from_std(client)?;
    ///     assert_eq!(client.peer_addr()?, listener.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        let core = Core::running("a TcpStream")?;
        let stream = Self::register(&core, Socket::from_fd(OwnedFd::from(stream))?, true)?;
        // Whoever made it may have a duplicate.
        stream.source.hand_out();
        Ok(stream)
    }

    /// Gives the connection to the standard library. It stays non-blocking.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    ///
    /// ```
    /// use mainspring::net::{TcpListener, TcpStream};
    ///
    /// mainspring::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?.into_std()?;
    ///     client.set_nonblocking(false)?; // for a thread that may block
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let descriptor = self.socket.as_fd().try_clone_to_owned()?;
        self.source.core().deregister(self.socket.as_fd())?;
        drop(self);
        Ok(descriptor.into())
    }

    /// Registers a connected socket, or one that is connecting, of which nothing is believed.
    pub(super) fn register(core: &Core, socket: Socket, connected: bool) -> io::Result<Self> {
        let believed = if connected { Readiness::READABLE.union(Readiness::WRITABLE) } else { Readiness::EMPTY };
        let source = core.register(socket.as_fd(), interest(), believed, socket.is_tcp_stream())?;
        Ok(Self { socket, source })
    }

    /// Registers a socket that a TCP listener accepted: known to be TCP without asking.
    pub(super) fn accepted(core: &Core, socket: Socket) -> io::Result<Self> {
        let believed = Readiness::READABLE.union(Readiness::WRITABLE);
        let source = core.register(socket.as_fd(), interest(), believed, true)?;
        Ok(Self { socket, source })
    }

    #[inline]
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.recv(buffer)?;
        self.source.transferred(Direction::Read, count, buffer.len());
        Ok(count)
    }

    #[inline]
    fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.socket.send(buffer).map_err(|error| self.put_off(error))?;
        self.source.written(count, buffer.len());
        Ok(count)
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.socket.send_vectored(buffers).map_err(|error| self.put_off(error))?;
        self.source.written(count, buffers.iter().map(|buffer| buffer.len()).sum());
        Ok(count)
    }

    /// A send that failed for want of memory is "not yet", though no event will tell when it is worth a try.
    #[cold]
    fn put_off(&self, error: io::Error) -> io::Error {
        if !mainspring_sys::is_shortage(&error) {
            return error;
        }
        self.source.retry_after(Direction::Write, MEMORY_PAUSE);
        io::ErrorKind::WouldBlock.into()
    }

    pub(super) fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let len = buffers.iter().map(|buffer| buffer.len()).sum();
        let count = self.socket.recv_vectored(buffers)?;
        self.source.transferred(Direction::Read, count, len);
        Ok(count)
    }

    /// Reads what is there, up to the length of `buffer`. 0 is end-of-file, or that `buffer` is empty.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the read timeout, `ConnectionReset`, and whatever else `recv(2)` reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is read unless the future returns it.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(&self.source, move || self.recv(buffer))
    }

    /// A try of [`read`](Self::read): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `read`.
    #[inline]
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.source.try_read(buffer.len(), || self.recv(buffer))
    }

    /// Reads into several buffers, as [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As `read`.
    ///
    /// # Cancel safety
    ///
    /// As `read`.
    pub fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(&self.source, move || self.recv_vectored(buffers))
    }

    /// Reads without taking the bytes away.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken in any case.
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(&self.source, move || self.socket.peek(buffer))
    }

    /// A try of [`peek`](Self::peek): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `peek`.
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.source.try_read(buffer.len(), || self.socket.peek(buffer))
    }

    /// Writes as much of `buffer` as there is room for, and returns how much. When the system has no memory for it
    /// (`ENOBUFS`, `ENOMEM`), that is "not yet", and tried again after 10 ms.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the write timeout, `BrokenPipe`, `ConnectionReset`, and whatever else `send(2)` reports. There is
    /// never a SIGPIPE.
    ///
    /// # Cancel safety
    ///
    /// Nothing is written unless the future says so.
    #[inline]
    pub fn write(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
        leaf::writing(&self.source, move || self.send(buffer))
    }

    /// A try of [`write`](Self::write): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `write`.
    #[inline]
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<Option<usize>> {
        self.source.try_io(Direction::Write, || self.send(buffer))
    }

    /// Writes several buffers with one system call, as [`write`](Self::write). At most 1,024 of them are taken.
    ///
    /// # Errors
    ///
    /// As `write`.
    ///
    /// # Cancel safety
    ///
    /// As `write`.
    pub fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> impl Future<Output = io::Result<usize>> {
        leaf::writing(&self.source, move || self.send_vectored(buffers))
    }

    /// A try of [`write_vectored`](Self::write_vectored): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `write`.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        self.source.try_io(Direction::Write, || self.send_vectored(buffers))
    }

    /// Writes all of `buffer`.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); how much was written before is not known then.
    ///
    /// # Cancel safety
    ///
    /// None: a part may have been written. Use `write`, and keep the position.
    #[inline]
    pub async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = self.write(buffer).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            buffer = &buffer[count..];
        }
        Ok(())
    }

    /// Waits until reading is worth a try: bytes, end-of-file or an error. A hint; the try may still say "not yet".
    ///
    /// # Errors
    ///
    /// `NotConnected` when the reactor has ended; `TimedOut` after the read timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        leaf::reading(&self.source, || self.hint(Direction::Read))
    }

    /// Waits until writing is worth a try.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the reactor has ended; `TimedOut` after the write timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        leaf::writing(&self.source, || self.hint(Direction::Write))
    }

    /// Says "not yet" when it is an expired wait alone that makes a direction worth a try.
    fn hint(&self, direction: Direction) -> io::Result<()> {
        if self.source.is_ready(direction) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Closes one direction or both. Whoever waits on this stream is woken, and finds out by trying.
    ///
    /// `Shutdown::Write` sends what is buffered, then end-of-file; reading goes on.
    ///
    /// # Errors
    ///
    /// Those of `shutdown(2)`; a peer that has closed already is none.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.shutdown(how)?;
        self.source.wake_all(self.source.core());
        Ok(())
    }

    /// How long one wait for reading may last: `None` for ever, the default. The clock starts when an operation first
    /// says "not yet" and ends with success, an error or its withdrawal; it counts from the reading that the reactor makes
    /// after the present batch of tasks. When it has run out, one read is tried, and then `TimedOut` returned, once.
    ///
    /// It costs a store per wait and bounds one wait, so it does not stop a peer that sends a byte at a time. Set while a
    /// wait is going on, it is in force from the next "not yet" on; a wait that has a deadline already keeps it, and `None`
    /// takes it away at once.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    ///
    /// ```
    /// use mainspring::net::{TcpListener, TcpStream};
    /// use std::{io, time::Duration};
    ///
    /// mainspring::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     client.set_read_timeout(Some(Duration::from_millis(1)))?;
    ///     let error = client.read(&mut [0; 16]).await.unwrap_err();
    ///     assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    ///     io::Result::Ok(())
    /// })??;
    /// # io::Result::Ok(())
    /// ```
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.source.set_timeout(Direction::Read, timeout)
    }

    /// How long one wait for writing may last, as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.source.set_timeout(Direction::Write, timeout)
    }

    /// The read timeout.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.source.timeout(Direction::Read)
    }

    /// The write timeout.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.source.timeout(Direction::Write)
    }
}

impl HalfClose for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl AsFd for TcpStream {
    /// The descriptor. Whoever has it may duplicate it, so the stream is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.hand_out();
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.source.close();
        if self.source.is_handed_out() {
            // Why ignored: there is nobody to tell, and the descriptor is closed next.
            let _ = self.source.core().deregister(self.socket.as_fd());
        }
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}
