//! Descriptors that go along with what is sent over Unix sockets.
//!
//! For handing connections or files to another process: a server that is replaced while it runs, a broker that opens
//! what others may not. The kernel makes duplicates (`SCM_RIGHTS`, unix(7)), and `mainspring-sys` sees to it that none
//! is lost or leaked: what comes is owned and close-on-exec from birth.
//!
//! As every other operation it is one system call, so a future that is dropped has passed or taken nothing. It takes
//! buffers and descriptors in one call, because the two belong together: a receive ends behind the bytes that
//! descriptors came with, and bytes that are read by any other method lose theirs.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

use mainspring_sys::Received;

use super::stream::room;
use super::unix_datagram::UnixDatagram;
use super::unix_stream::UnixStream;

impl UnixStream {
    /// Writes as [`write_vectored`](Self::write_vectored), and passes the descriptors, up to 253, to the receiver of
    /// the first byte. It gets duplicates; those here stay open, and may be closed when this has returned.
    ///
    /// They have been passed as soon as one byte has: if fewer bytes were written than there are, write the rest
    /// without.
    ///
    /// # Errors
    ///
    /// As `write`; `InvalidInput` for more than 253 descriptors, and for no bytes to go with them.
    ///
    /// # Cancel safety
    ///
    /// Nothing is written or passed unless the future says so.
    ///
    /// ```
    /// use std::io::{IoSlice, IoSliceMut};
    /// use std::os::fd::AsFd;
    /// use mainspring::net::UnixStream;
    ///
    /// mainspring::run(async {
    ///     let (left, right) = UnixStream::pair()?;
    ///     let file = std::fs::File::open("/dev/null")?;
    ///     left.send_descriptors(&[IoSlice::new(b"x")], &[file.as_fd()]).await?;
    ///
    ///     let (mut buffer, mut descriptors) = ([0; 16], Vec::new());
    ///     let received = right.recv_descriptors(&mut [IoSliceMut::new(&mut buffer)], &mut descriptors).await?;
    ///     assert_eq!((received.bytes, descriptors.len()), (1, 1));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_descriptors(
        &self,
        buffers: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        self.stream.io.writing(move |socket| socket.send_descriptors(buffers, descriptors))
    }

    /// A try of [`send_descriptors`](Self::send_descriptors): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_descriptors`.
    pub fn try_send_descriptors(
        &self,
        buffers: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<Option<usize>> {
        self.stream.io.try_writing(|socket| socket.send_descriptors(buffers, descriptors))
    }

    /// Reads as [`read_vectored`](Self::read_vectored), and adds the descriptors that came with these bytes, up to 253,
    /// to the end of `descriptors`. They are close-on-exec. The buffers need room for one byte at least.
    ///
    /// Read with any other method, the bytes are the same, and the system closes the descriptors.
    ///
    /// # Errors
    ///
    /// As `read`. Descriptors for which there was no room are no error: [`Received`] says so.
    ///
    /// # Cancel safety
    ///
    /// Nothing is read or taken unless the future returns it.
    pub fn recv_descriptors(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        descriptors: &mut Vec<OwnedFd>,
    ) -> impl Future<Output = io::Result<Received>> {
        self.stream.io.reading(move |socket| socket.recv_descriptors(buffers, descriptors))
    }

    /// A try of [`recv_descriptors`](Self::recv_descriptors): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv_descriptors`.
    pub fn try_recv_descriptors(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<Received>> {
        // As a read, because the end of the stream is progress only once.
        let mut received = None;
        let read = self.stream.io.source().try_read(room(buffers), || {
            let message = self.stream.io.charged(self.stream.socket().recv_descriptors(buffers, descriptors))?;
            received = Some(message);
            Ok(message.bytes)
        });
        read.map(|_| received)
    }
}

impl UnixDatagram {
    /// Sends one datagram of these buffers to the peer of a connected socket, and passes the descriptors, up to 253, to
    /// its receiver. It gets duplicates; those here stay open, and may be closed when this has returned.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `InvalidInput` for more than 253 descriptors, and for no bytes to go with them.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent or passed unless the future says so.
    pub fn send_descriptors(
        &self,
        buffers: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        self.io.writing(move |socket| socket.send_descriptors(buffers, descriptors))
    }

    /// A try of [`send_descriptors`](Self::send_descriptors): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `send_descriptors`.
    pub fn try_send_descriptors(
        &self,
        buffers: &[IoSlice<'_>],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<Option<usize>> {
        self.io.try_writing(|socket| socket.send_descriptors(buffers, descriptors))
    }

    /// Receives one datagram into these buffers, and adds the descriptors that came with it, up to 253, to the end of
    /// `descriptors`. They are close-on-exec.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv). Descriptors for which there was no room are no error: [`Received`] says so.
    ///
    /// # Cancel safety
    ///
    /// Nothing is received or taken unless the future returns it.
    pub fn recv_descriptors(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        descriptors: &mut Vec<OwnedFd>,
    ) -> impl Future<Output = io::Result<Received>> {
        self.io.reading(move |socket| socket.recv_descriptors(buffers, descriptors))
    }

    /// A try of [`recv_descriptors`](Self::recv_descriptors): `None` is "not yet".
    ///
    /// # Errors
    ///
    /// As `recv_descriptors`.
    pub fn try_recv_descriptors(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<Received>> {
        self.io.try_reading(|socket| socket.recv_descriptors(buffers, descriptors))
    }
}
