//! A TCP connection.
//!
//! What it shares with a Unix stream stands in `stream.rs`, its addresses and options in `tcp_options.rs`; here is how
//! one comes to be, and the public face. Reading and writing take `&self` and are one system call each, so there are no
//! halves to split and join: whoever wants two owners puts it in an `Rc`. Types for the halves, as in other runtimes,
//! were turned down for that reason.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::addresses::ToAddresses;
use super::connect::Connecting;
use super::connect_options::ConnectOptions;
use super::stream::Stream;
use crate::core::Core;
use crate::io::HalfClose;

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
///
/// It stays on its thread, and goes to another one by [`into_std`](Self::into_std) and [`from_std`](Self::from_std):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::TcpStream>();
/// ```
pub struct TcpStream {
    /// What it shares with other kinds.
    pub(super) stream: Stream,
}

impl TcpStream {
    /// The defaults of a connection that is to be made: whatever is the system's, and `TCP_NODELAY` off.
    pub const fn options() -> ConnectOptions {
        ConnectOptions::new()
    }

    /// Connects to the first of `addresses` that answers. A host name is looked up off this thread.
    /// [`options`](Self::options) are for what has to be set before.
    ///
    /// Several addresses are tried by turns of their families, IPv6 and IPv4, each 250 ms after the one before or as
    /// soon as that has failed; the first connection wins, and the others are closed ("Happy Eyeballs", RFC 8305).
    ///
    /// # Errors
    ///
    /// That of the lookup, or of the attempt that failed last, with its raw OS code.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the sockets that were connecting.
    pub fn connect(addresses: impl ToAddresses) -> impl Future<Output = io::Result<Self>> {
        Self::options().connect(addresses)
    }

    /// Starts to connect to one address, without waiting: for ticks.
    ///
    /// # Errors
    ///
    /// When no socket can be had, the address is refused at once, or no reactor is running on this thread.
    pub fn start_connect(address: SocketAddr) -> io::Result<Connecting> {
        Self::options().start_connect(address)
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
        Ok(Self::of(Stream::from_fd(&core, stream.into())?))
    }

    /// Gives the connection to the standard library. It stays non-blocking.
    ///
    /// What std has may go to another thread, so this and [`from_std`](Self::from_std) are also how a live connection
    /// moves to another reactor: it is taken out of one selector here, and put into another there. What has arrived
    /// stays in the socket, and so do its options; read and write timeouts belong to the reactor, and are set again;
    /// what a program has read and not yet used is its own, and goes along with it
    /// ([`Framed::into_parts`](crate::codec::Framed::into_parts)).
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    ///
    /// To another reactor, with its timeout:
    ///
    /// ```
    /// use mainspring::{Workers, net::{TcpListener, TcpStream}};
    /// use std::time::Duration;
    ///
    /// let workers = Workers::builder().threads(1).start(|worker| async move {
    ///     Ok(worker.stopping().cancelled().await)
    /// })?;
    /// let other = workers.handles()[0].clone();
    /// mainspring::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (server, _peer) = listener.accept().await?;
    ///     client.write_all(b"hello").await?;
    ///
    ///     let timeout = server.read_timeout();
    ///     let moving = server.into_std()?;
    ///     let served = other.spawn(move || async move {
    ///         let server = TcpStream::from_std(moving)?;
    ///         server.set_read_timeout(timeout)?;
    ///         let mut buffer = [0; 5];
    ///         server.read(&mut buffer).await?;
    ///         server.write_all(&buffer).await
    ///     });
    ///     let mut answer = [0; 5];
    ///     client.read(&mut answer).await?;
    ///     assert_eq!(&answer, b"hello");
    ///     served.await?
    /// })??;
    /// workers.shutdown(Duration::from_secs(1));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// To a thread that blocks:
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
        Ok(self.stream.io.into_fd()?.into())
    }

    #[inline]
    pub(super) const fn of(stream: Stream) -> Self {
        Self { stream }
    }

    /// Reads what is there, up to the length of `buffer`. 0 is end-of-file, or that `buffer` is empty; a read into an
    /// empty one waits as any other while nothing is known to be there.
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
        self.stream.read(buffer)
    }

    /// A try of [`read`](Self::read): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `read`.
    #[inline]
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.stream.try_read(buffer)
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
        self.stream.read_vectored(buffers)
    }

    /// A try of [`read_vectored`](Self::read_vectored): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `read`.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<Option<usize>> {
        self.stream.try_read_vectored(buffers)
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
        self.stream.peek(buffer)
    }

    /// A try of [`peek`](Self::peek): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `peek`.
    pub fn try_peek(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.stream.try_peek(buffer)
    }

    /// Writes as much of `buffer` as there is room for, and returns how much. When the system has no memory for it
    /// (`ENOBUFS`, `ENOMEM`), that is "not yet", and tried again after 10 ms.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the write timeout, `BrokenPipe`, `ConnectionReset`, and whatever else `send(2)` reports. There
    /// is never a SIGPIPE.
    ///
    /// # Cancel safety
    ///
    /// Nothing is written unless the future says so.
    #[inline]
    pub fn write(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.stream.write(buffer)
    }

    /// A try of [`write`](Self::write): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `write`.
    #[inline]
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<Option<usize>> {
        self.stream.try_write(buffer)
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
        self.stream.write_vectored(buffers)
    }

    /// A try of [`write_vectored`](Self::write_vectored): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `write`.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        self.stream.try_write_vectored(buffers)
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
    pub fn write_all(&self, buffer: &[u8]) -> impl Future<Output = io::Result<()>> {
        self.stream.write_all(buffer)
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
        self.stream.io.readable()
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
        self.stream.io.writable()
    }

    /// Closes one direction or both. Whoever waits on this stream is woken, and finds out by trying.
    ///
    /// `Shutdown::Write` sends what is buffered, then end-of-file; reading goes on.
    ///
    /// # Errors
    ///
    /// Those of `shutdown(2)`; a peer that has closed already is none.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    /// How long one wait for reading may last: `None` for ever, the default. The clock starts when an operation first
    /// says "not yet" and ends with success, an error or its withdrawal; it counts from the reading that the reactor
    /// makes after the present batch of tasks. When it has run out, one read is tried, and then `TimedOut` returned,
    /// once.
    ///
    /// It costs a store per wait and bounds one wait, so it does not stop a peer that sends a byte at a time. Set while
    /// a wait is going on, it is in force from the next "not yet" on; a wait that has a deadline already keeps it, and
    /// `None` takes it away at once.
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
        self.stream.io.set_read_timeout(timeout)
    }

    /// How long one wait for writing may last, as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.io.set_write_timeout(timeout)
    }

    /// The read timeout.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.stream.io.read_timeout()
    }

    /// The write timeout.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.stream.io.write_timeout()
    }
}

impl HalfClose for TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl HalfClose for &TcpStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl AsFd for TcpStream {
    /// The descriptor. Whoever has it may duplicate it, so the stream is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.io.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
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
