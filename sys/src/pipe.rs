//! Pipes: one end writes, the other reads.
//!
//! For whoever talks to a child process, or takes over the ends that the standard library made for one. Made
//! non-blocking and close-on-exec in one system call, pipe2(2), but on Apple, where the flags take four more.
//!
//! Reading and writing go through the standard library, with nothing around them but what keeps `SIGPIPE` away
//! (`sigpipe.rs`), so that a pipe is held to the same promise as a socket. For a channel within one process
//! [`Socket::unix_stream_pair`](crate::Socket::unix_stream_pair) is cheaper, because a socket needs no such care.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

#[cfg(target_vendor = "apple")]
use socket2::SockRef;

use crate::call::Call;
use crate::check::{attempt, check};
use crate::nonblocking::set_nonblocking;
use crate::sigpipe;

/// A new pipe. Both ends are non-blocking and close-on-exec.
///
/// # Errors
///
/// pipe2(2): `EMFILE`, `ENFILE`.
///
/// ```
/// let (reader, writer) = mainspring_sys::pipe()?;
/// assert_eq!(writer.write(b"hello")?, 5);
/// assert_eq!(reader.read(&mut [0; 16])?, 5);
/// drop(writer);
/// assert_eq!(reader.read(&mut [0; 16])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let mut numbers = [0; 2];
    // SAFETY: there is room for two descriptors, which were just made when they are owned, and which nobody else
    // knows.
    let [reader, writer] = unsafe {
        check(Call::Pipe, || {
            #[cfg(not(target_vendor = "apple"))]
            return libc::pipe2(numbers.as_mut_ptr(), libc::O_NONBLOCK | libc::O_CLOEXEC);
            #[cfg(target_vendor = "apple")]
            return libc::pipe(numbers.as_mut_ptr());
        })?;
        numbers.map(|number| OwnedFd::from_raw_fd(number))
    };
    #[cfg(target_vendor = "apple")]
    for end in [&reader, &writer] {
        attempt(Call::Mode, || SockRef::from(end).set_cloexec(true))?;
        set_nonblocking(end.as_fd())?;
    }
    sigpipe::suppress(writer.as_fd())?;
    Ok((PipeReader { file: reader.into() }, PipeWriter { file: writer.into() }))
}

/// The end of a pipe that is read. Dropping it closes it; the writer then gets `BrokenPipe`.
#[derive(Debug)]
pub struct PipeReader {
    /// Non-blocking since it was made or taken over.
    file: File,
}

impl PipeReader {
    /// Takes over the reading end of a pipe, such as a child's standard output, and makes it non-blocking, also for
    /// whoever has a duplicate of it. Close-on-exec is left as it is.
    ///
    /// # Errors
    ///
    /// fcntl(2).
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        set_nonblocking(fd.as_fd())?;
        Ok(Self { file: fd.into() })
    }

    /// Reads what has been written into `buffer`; 0 is the end, after the last writer has closed its end, or an empty
    /// buffer.
    ///
    /// # Errors
    ///
    /// read(2): `WouldBlock`; `Interrupted` if a signal came in the same moment.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        attempt(Call::ReadPipe, || (&self.file).read(buffer))
    }

    /// As [`read`](Self::read), into several buffers in turn, of which the first 1,024 are used.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        attempt(Call::ReadPipe, || (&self.file).read_vectored(buffers))
    }
}

/// The end of a pipe that is written. Dropping it closes it; the reader then comes to the end.
#[derive(Debug)]
pub struct PipeWriter {
    /// Non-blocking since it was made or taken over.
    file: File,
}

impl PipeWriter {
    /// Takes over the writing end of a pipe, such as a child's standard input, and makes it non-blocking, also for
    /// whoever has a duplicate of it. Close-on-exec is left as it is.
    ///
    /// # Errors
    ///
    /// fcntl(2).
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        set_nonblocking(fd.as_fd())?;
        sigpipe::suppress(fd.as_fd())?;
        Ok(Self { file: fd.into() })
    }

    /// Writes from `buffer` what there is room for, and says how much that was. Up to 512 bytes (4,096 on Linux) are
    /// written whole or not at all, pipe(7).
    ///
    /// # Errors
    ///
    /// write(2): `WouldBlock`; `BrokenPipe` if no reader is left, without the signal `SIGPIPE`; `Interrupted` if
    /// a signal came in the same moment.
    pub fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        sigpipe::without_signal(|| attempt(Call::WritePipe, || (&self.file).write(buffer)))
    }

    /// As [`write`](Self::write), from several buffers in turn, of which the first 1,024 are used.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        sigpipe::without_signal(|| attempt(Call::WritePipe, || (&self.file).write_vectored(buffers)))
    }
}

impl AsFd for PipeReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsFd for PipeWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<PipeReader> for OwnedFd {
    fn from(reader: PipeReader) -> Self {
        reader.file.into()
    }
}

impl From<PipeWriter> for OwnedFd {
    fn from(writer: PipeWriter) -> Self {
        writer.file.into()
    }
}
