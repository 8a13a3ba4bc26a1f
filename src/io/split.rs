//! A stream as two halves, one to read and one to write.
//!
//! For whoever needs both at once, in two tasks of a reactor or two futures of a task, over a stream that takes `&mut`
//! for both: TLS, a `Framed`'s source, a wrapper of the user's own. Sockets need none of this, since `&TcpStream` reads
//! and writes.
//!
//! The halves share the stream without a lock, because a reactor is one thread; each operation borrows it for the time
//! of the call. A half that is dropped closes nothing: the stream closes with the last one, and
//! [`shutdown`](super::shutdown) of the writing half says goodbye before. Halves that close by themselves would end a
//! connection that is only half done.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::rc::Rc;

use super::half_close::HalfClose;

/// Takes a stream apart into the half that reads and the half that writes.
///
/// # Panics
///
/// The halves do when the stream itself, in the middle of an operation, uses one of them.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let (server, _) = listener.accept().await?;
///     let (mut reader, mut writer) = io::split(server);
///     let echo = mainspring::spawn(async move {
///         io::copy(&mut reader, &mut writer).await?;
///         io::shutdown(&mut writer).await?;
///         std::io::Result::Ok(reader.unsplit(writer).expect("halves of the same stream"))
///     });
///     client.write_all(b"ping").await?;
///     client.shutdown(std::net::Shutdown::Write)?;
///     let mut answer = Vec::new();
///     io::read_to_end(&mut &client, &mut answer, 64).await?;
///     assert_eq!(answer, b"ping");
///     let _server: TcpStream = echo.await??;
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub fn split<S>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let shared = Rc::new(RefCell::new(stream));
    (ReadHalf(shared.clone()), WriteHalf(shared))
}

/// The half of a stream that reads. Made by [`split`].
pub struct ReadHalf<S>(Rc<RefCell<S>>);

/// The half of a stream that writes. Made by [`split`].
pub struct WriteHalf<S>(Rc<RefCell<S>>);

impl<S> ReadHalf<S> {
    /// Puts the stream together again.
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of the same stream.
    pub fn unsplit(self, writer: WriteHalf<S>) -> Result<S, (Self, WriteHalf<S>)> {
        if !Rc::ptr_eq(&self.0, &writer.0) {
            return Err((self, writer));
        }
        drop(writer);
        // It was one of two, and the other is gone.
        Rc::try_unwrap(self.0).map(RefCell::into_inner).map_err(|shared| (Self(shared.clone()), WriteHalf(shared)))
    }
}

impl<S: Read> Read for ReadHalf<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.borrow_mut().read_vectored(buffers)
    }
}

impl<S: Write> Write for WriteHalf<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.borrow_mut().write_vectored(buffers)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl<S: HalfClose> HalfClose for WriteHalf<S> {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shutdown_write()
    }
}

impl<S> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}
