//! Pipes: one end writes, the other reads.
//!
//! For talking to a child process, whose ends [`PipeReader::from_fd`] and [`PipeWriter::from_fd`] take over, and for
//! named pipes. Within one process a [`UnixStream::pair`](super::UnixStream::pair) is cheaper: a socket needs no care
//! to keep `SIGPIPE` away, and goes both ways.
//!
//! They stand among the sockets, and not in [`crate::io`], because they are sources: a descriptor, two directions less
//! one, the same futures and deadlines. `io` has what works on every source and makes none.
//!
//! What a child inherits goes back to blocking, [`PipeReader::into_blocking_fd`]: most programs take a read or a write
//! that says "not yet" for an error.
//!
//! A pipe has one direction, and is registered for that alone. That the writer is gone is told by a hang-up without
//! anything to read, which wakes the reader, who finds the end by reading.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use mainspring_sys::Interest;

use super::registered::Registered;
use super::stream::room;
use crate::core::Core;
use crate::io::HalfClose;

/// A new pipe. Both ends are non-blocking, close-on-exec, and belong to the reactor that is running on this thread.
///
/// # Errors
///
/// When no descriptors can be had, they cannot be registered, or no reactor is running on this thread.
///
/// ```
/// use mainspring::net::pipe;
///
/// mainspring::run(async {
///     let (reader, writer) = pipe()?;
///     writer.write_all(b"hello").await?;
///     drop(writer);
///     let mut buffer = [0; 16];
///     assert_eq!(reader.read(&mut buffer).await?, 5);
///     assert_eq!(reader.read(&mut buffer).await?, 0);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let core = Core::running("a pipe")?;
    let (reader, writer) = mainspring_sys::pipe()?;
    Ok((PipeReader::register(&core, reader)?, PipeWriter::register(&core, writer)?))
}

/// The end of a pipe that is read, belonging to the reactor on whose thread it was made.
///
/// `Read` is implemented for `PipeReader` and `&PipeReader`, for use inside [`ready`](crate::ready) and ticks. Dropping
/// it closes it: the writer then gets `BrokenPipe`.
///
/// It stays on its thread, and goes to another one by [`into_fd`](Self::into_fd) and [`from_fd`](Self::from_fd):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::PipeReader>();
/// ```
pub struct PipeReader {
    /// The descriptor and its place in the reactor.
    pub(super) io: Registered<mainspring_sys::PipeReader>,
}

impl PipeReader {
    /// Takes over the reading end of a pipe, and makes it non-blocking, also for whoever has a duplicate of it.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, as a file (`PermissionDenied`), or no reactor is running on this thread.
    ///
    /// ```
    /// use std::process::{Command, Stdio};
    /// use mainspring::net::PipeReader;
    ///
    /// mainspring::run(async {
    ///     let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    ///     let output = PipeReader::from_fd(child.stdout.take().unwrap())?;
    ///     let mut buffer = [0; 16];
    ///     assert_eq!(output.read(&mut buffer).await?, 6);
    ///     child.wait()?;
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_fd(descriptor: impl Into<OwnedFd>) -> io::Result<Self> {
        let core = Core::running("a PipeReader")?;
        let reader = Self::register(&core, mainspring_sys::PipeReader::from_fd(descriptor.into())?)?;
        reader.io.hand_out();
        Ok(reader)
    }

    fn register(core: &Core, reader: mainspring_sys::PipeReader) -> io::Result<Self> {
        Ok(Self { io: Registered::new(core, reader, Interest::READABLE)? })
    }

    /// Gives the descriptor away. It stays non-blocking, which few programs that inherit it are made for:
    /// [`into_blocking_fd`](Self::into_blocking_fd) is for them.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        self.io.into_fd()
    }

    /// Gives the descriptor away and makes it blocking, also for whoever has a duplicate of it: for a child process.
    ///
    /// # Errors
    ///
    /// As [`into_fd`](Self::into_fd), and those of fcntl(2).
    ///
    /// ```
    /// use std::process::{Command, Stdio};
    /// use mainspring::{net::pipe, process};
    ///
    /// mainspring::run(async {
    ///     let (reader, writer) = pipe()?;
    ///     let child = process::spawn(Command::new("cat").stdin(reader.into_blocking_fd()?).stdout(Stdio::piped()))?;
    ///     writer.write_all(b"hello").await?;
    ///     drop(writer);
    ///     assert_eq!(child.wait_with_output().await?.stdout, b"hello");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        self.io.into_blocking_fd()
    }

    /// Reads what is there, up to the length of `buffer`. 0 is the end, after the last writer has gone, or that
    /// `buffer` is empty.
    ///
    /// # Errors
    ///
    /// `TimedOut` after the read timeout, and whatever else `read(2)` reports.
    ///
    /// # Cancel safety
    ///
    /// Nothing is read unless the future returns it.
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.reading(move |pipe| pipe.read(buffer))
    }

    /// A try of [`read`](Self::read): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `read`.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.io.source().try_read(buffer.len(), || self.io.charged(self.io.descriptor().read(buffer)))
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
        self.io.reading(move |pipe| pipe.read_vectored(buffers))
    }

    /// A try of [`read_vectored`](Self::read_vectored): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `read`.
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<Option<usize>> {
        self.io.source().try_read(room(buffers), || self.io.charged(self.io.descriptor().read_vectored(buffers)))
    }

    /// Waits until reading is worth a try: bytes, or the end. A hint; the try may still say "not yet".
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

    /// How long one wait for reading may last, as of [`TcpStream`](super::TcpStream::set_read_timeout): `None` and
    /// `Duration::MAX` for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    /// The read timeout.
    pub fn read_timeout(&self) -> Option<Duration> {
        self.io.read_timeout()
    }
}

/// The end of a pipe that is written, belonging to the reactor on whose thread it was made.
///
/// `Write` is implemented for `PipeWriter` and `&PipeWriter`, for use inside [`ready`](crate::ready) and ticks.
/// Dropping it closes it: the reader then comes to the end.
///
/// It stays on its thread, and goes to another one by [`into_fd`](Self::into_fd) and [`from_fd`](Self::from_fd):
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<mainspring::net::PipeWriter>();
/// ```
pub struct PipeWriter {
    /// The descriptor and its place in the reactor.
    pub(super) io: Registered<mainspring_sys::PipeWriter>,
}

impl PipeWriter {
    /// Takes over the writing end of a pipe, and makes it non-blocking, also for whoever has a duplicate of it.
    ///
    /// # Errors
    ///
    /// When it cannot be registered, as a file (`PermissionDenied`), or no reactor is running on this thread.
    pub fn from_fd(descriptor: impl Into<OwnedFd>) -> io::Result<Self> {
        let core = Core::running("a PipeWriter")?;
        let writer = Self::register(&core, mainspring_sys::PipeWriter::from_fd(descriptor.into())?)?;
        writer.io.hand_out();
        Ok(writer)
    }

    fn register(core: &Core, writer: mainspring_sys::PipeWriter) -> io::Result<Self> {
        Ok(Self { io: Registered::new(core, writer, Interest::WRITABLE)? })
    }

    /// Gives the descriptor away. It stays non-blocking, which few programs that inherit it are made for:
    /// [`into_blocking_fd`](Self::into_blocking_fd) is for them.
    ///
    /// # Errors
    ///
    /// When no further descriptor can be had, or it cannot be removed from the selector; it is closed then.
    pub fn into_fd(self) -> io::Result<OwnedFd> {
        self.io.into_fd()
    }

    /// Gives the descriptor away and makes it blocking, as
    /// [that of a reader](PipeReader::into_blocking_fd): for a child process, which writes into it.
    ///
    /// # Errors
    ///
    /// As [`into_fd`](Self::into_fd), and those of fcntl(2).
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        self.io.into_blocking_fd()
    }

    /// Writes as much of `buffer` as there is room for, and returns how much. Up to 512 bytes (4,096 on Linux) are
    /// written whole, pipe(7).
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if no reader is left, and never a SIGPIPE; `TimedOut` after the write timeout.
    ///
    /// # Cancel safety
    ///
    /// Nothing is written unless the future says so.
    pub fn write(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.writing(move |pipe| pipe.write(buffer))
    }

    /// A try of [`write`](Self::write): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `write`.
    pub fn try_write(&self, buffer: &[u8]) -> io::Result<Option<usize>> {
        self.io.try_writing(|pipe| pipe.write(buffer))
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
        self.io.writing(move |pipe| pipe.write_vectored(buffers))
    }

    /// A try of [`write_vectored`](Self::write_vectored): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `write`.
    pub fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        self.io.try_writing(|pipe| pipe.write_vectored(buffers))
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

    /// Waits until writing is worth a try: room, or no reader. A hint; the try may still say "not yet".
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

    /// How long one wait for writing may last, as of [`TcpStream`](super::TcpStream::set_read_timeout): `None` and
    /// `Duration::MAX` for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    /// The write timeout.
    pub fn write_timeout(&self) -> Option<Duration> {
        self.io.write_timeout()
    }
}

/// Closes it: a pipe has one side alone. What is written afterwards fails with `BrokenPipe`.
///
/// An error, when there are no descriptors to be had or the reactor has ended, leaves it open: dropping it closes it in
/// any case.
impl HalfClose for PipeWriter {
    fn shutdown_write(&mut self) -> io::Result<()> {
        // Why asked: the selector may be another reactor's by now.
        if self.io.source().is_detached() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // Why another pipe: something has to stand in its place. Its reader goes last, since kqueue registers no pipe
        // for writing whose reader is gone.
        let (_reader, writer) = mainspring_sys::pipe()?;
        *self = Self::register(self.io.source().core(), writer)?;
        Ok(())
    }
}

impl AsFd for PipeReader {
    /// The descriptor. Whoever has it may duplicate it, so the pipe is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for PipeReader {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeReader").field(&self.io.descriptor().as_fd().as_raw_fd()).finish()
    }
}

impl AsFd for PipeWriter {
    /// The descriptor. Whoever has it may duplicate it, so the pipe is removed from the selector before it is closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for PipeWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PipeWriter").field(&self.io.descriptor().as_fd().as_raw_fd()).finish()
    }
}
