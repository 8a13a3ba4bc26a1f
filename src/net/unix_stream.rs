//! A connection between two processes of one machine.
//!
//! What it shares with a TCP stream stands in `stream.rs`, and what it shares with Unix datagrams in `passing.rs`
//! (descriptors that go with the bytes) and `unix_options.rs` (addresses, who the peer is). A short read means nothing
//! here: a read ends where descriptors came with the bytes, also in the middle of what is queued, unix(7). So a read
//! that finds less than it has room for is followed by one more system call than on TCP.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mainspring_sys::Socket;

use super::stream::Stream;
use super::unix_connect::UnixConnecting;
use crate::core::Core;
use crate::io::HalfClose;

/// A Unix stream socket, non-blocking, belonging to the reactor on whose thread it was made.
///
/// The methods are those of [`TcpStream`](super::TcpStream), in the same styles, and those of its own kind. Reading and
/// writing take `&self`, so that two tasks can share a stream. `Read` and `Write` are implemented for `UnixStream` and
/// `&UnixStream`, for use inside [`ready`](crate::ready) and ticks; elsewhere they fail at the first call and say so.
///
/// Dropping it closes the connection. Operations fail with `NotConnected` once the reactor has ended.
///
/// ```
/// use mainspring::net::UnixStream;
///
/// mainspring::run(async {
///     let (left, right) = UnixStream::pair()?;
///     left.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let count = right.read(&mut buffer).await?;
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
/// send::<mainspring::net::UnixStream>();
/// ```
pub struct UnixStream {
    /// What it shares with other kinds.
    pub(super) stream: Stream,
}

impl UnixStream {
    /// Connects to the listener at a path. While its queue is full, the call is made again, after 1 ms and then twice
    /// as long each time up to 64 ms, without end: [`timeout`](crate::time::timeout) gives it one.
    ///
    /// # Errors
    ///
    /// Those of `connect(2)`: `NotFound`; `ConnectionRefused` if nobody listens there any more; `PermissionDenied`;
    /// `InvalidInput` for a path that is too long (107 bytes on Linux) or empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the socket that was connecting.
    ///
    /// ```
    /// use mainspring::net::{UnixListener, UnixStream};
    ///
    /// # let folder = std::env::temp_dir().join(format!("mainspring-connect-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("socket");
    /// mainspring::run(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let client = UnixStream::connect(&path).await?;
    ///     let (server, _peer) = listener.accept().await?;
    ///     client.write_all(b"hello").await?;
    ///     assert_eq!(server.read(&mut [0; 16]).await?, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::start_connect(&SocketAddr::from_pathname(path)?)?.await
    }

    /// As [`connect`](Self::connect), to an address, which may be an [abstract name](super::abstract_address).
    ///
    /// # Errors
    ///
    /// As `connect`.
    ///
    /// # Cancel safety
    ///
    /// As `connect`.
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::start_connect(address)?.await
    }

    /// Starts to connect, without waiting: for ticks.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), which is known at once; when no socket can be had, or no reactor is running on
    /// this thread.
    pub fn start_connect(address: &SocketAddr) -> io::Result<UnixConnecting> {
        UnixConnecting::start(address)
    }

    /// Two streams that are connected to each other, and have no address.
    ///
    /// # Errors
    ///
    /// When no sockets can be had, they cannot be registered, or no reactor is running on this thread.
    pub fn pair() -> io::Result<(Self, Self)> {
        let core = Core::running("a UnixStream")?;
        let (left, right) = Socket::unix_stream_pair()?;
        let left = Self::of(Stream::connected(&core, left, false)?);
        let right = Self::of(Stream::connected(&core, right, false)?);
        Ok((left, right))
    }

    /// Takes over a connection of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, or no reactor is running on this thread.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        let core = Core::running("a UnixStream")?;
        Ok(Self::of(Stream::from_fd(&core, stream.into())?))
    }

    /// Gives the connection to the standard library. It stays non-blocking. This and [`from_std`](Self::from_std) are
    /// also how it moves to another reactor, as of [`TcpStream::into_std`](super::TcpStream::into_std).
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixStream> {
        Ok(self.stream.io.into_fd()?.into())
    }

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

    /// Writes as much of `buffer` as there is room for, and returns how much.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the write timeout, `BrokenPipe`, and whatever else `send(2)` reports. There is never a SIGPIPE.
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
    /// # Errors
    ///
    /// Those of `shutdown(2)`; a peer that has closed already is none.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }

    /// How long one wait for reading may last, as of [`TcpStream`](super::TcpStream::set_read_timeout): `None` and
    /// `Duration::MAX` for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
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

impl HalfClose for UnixStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl HalfClose for &UnixStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl AsFd for UnixStream {
    /// The descriptor. Whoever has it may duplicate it, so the stream is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.io.as_fd()
    }
}

impl AsRawFd for UnixStream {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("local", &self.local_addr().ok())
            .field("peer", &self.peer_addr().ok())
            .finish()
    }
}
