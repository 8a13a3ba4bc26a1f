//! std's `Read` and `Write` for streams, pipes and any other source, where `WouldBlock` means that the running task
//! waits.
//!
//! They work inside a scope alone, that is in a tick or in the closure of [`ready`](crate::ready); elsewhere the first
//! call fails and says so. Failing under back-pressure only, when there is a "not yet" to be lost, would pass every
//! test. The impls for a type name those for its reference in full: a bare `read` would be the inherent one, a future.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};

use super::pipe::{PipeReader, PipeWriter};
use super::tcp_stream::TcpStream;
use super::unix_stream::UnixStream;
use crate::sentence::sentence;
use crate::waker;

/// A read or write of std needs a scope, in which "not yet" can be recorded.
#[cold]
fn no_scope() -> io::Error {
    sentence(
        io::ErrorKind::Unsupported,
        "std I/O on a Mainspring source works inside a tick or `mainspring::ready(|| ...)` only, where \"not yet\" is recorded",
    )
}

/// The result of a try, in the terms of std I/O.
#[inline]
pub(super) fn std_io<T>(attempt: impl FnOnce() -> io::Result<Option<T>>) -> io::Result<T> {
    if waker::with_scope(|scope| scope.is_none()) {
        return Err(no_scope());
    }
    attempt()?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
}

impl Read for &TcpStream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std_io(|| self.try_read(buffer))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        std_io(|| self.try_read_vectored(buffers))
    }
}

impl Read for TcpStream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut &*self, buffers)
    }
}

impl Write for &TcpStream {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        std_io(|| self.try_write(buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        std_io(|| self.try_write_vectored(buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for TcpStream {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &UnixStream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std_io(|| self.try_read(buffer))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        std_io(|| self.try_read_vectored(buffers))
    }
}

impl Read for UnixStream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut &*self, buffers)
    }
}

impl Write for &UnixStream {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        std_io(|| self.try_write(buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        std_io(|| self.try_write_vectored(buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for UnixStream {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &PipeReader {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        std_io(|| self.try_read(buffer))
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        std_io(|| self.try_read_vectored(buffers))
    }
}

impl Read for PipeReader {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Read::read_vectored(&mut &*self, buffers)
    }
}

impl Write for &PipeWriter {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        std_io(|| self.try_write(buffer))
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        std_io(|| self.try_write_vectored(buffers))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Write::write_vectored(&mut &*self, buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
