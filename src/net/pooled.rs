//! Reads of a connection that bring their own buffer.
//!
//! [`io::read_pooled`](crate::io::read_pooled) as methods of TCP and Unix streams. The future is that of any other
//! read: its wait stands in the source, where the one over std's `Read` keeps a list of the sources that it has asked.
//!
//! What both streams do stands once, on the stream that they share.

use std::future::Future;
use std::io;

use super::leaf;
use super::stream::Stream;
use super::tcp_stream::TcpStream;
use super::unix_stream::UnixStream;
use crate::io::PooledBuffer;

impl Stream {
    fn recv_pooled(&self) -> io::Result<PooledBuffer> {
        PooledBuffer::read(self.io.source().core().clone(), |buffer| self.recv(buffer))
    }

    fn read_pooled(&self) -> impl Future<Output = io::Result<PooledBuffer>> {
        leaf::reading(self.io.source(), || self.recv_pooled())
    }

    fn try_read_pooled(&self) -> io::Result<Option<PooledBuffer>> {
        let mut taken = None;
        let count = self.io.source().try_read(1, || Ok(taken.insert(self.recv_pooled()?).len()))?;
        Ok(count.and(taken))
    }
}

impl TcpStream {
    /// Reads what is there into a buffer of the reactor's pool, and returns that; empty is end-of-file. While there is
    /// nothing to read no buffer is held, so an idle connection needs no memory for one.
    ///
    /// At most 16 KiB at once, unless [`Builder::buffers`](crate::Builder::buffers) says otherwise.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is read unless the future returns it.
    ///
    /// ```
    /// use mainspring::net::{TcpListener, TcpStream};
    ///
    /// mainspring::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (server, _peer) = listener.accept().await?;
    ///     client.write_all(b"ping").await?;
    ///     let request = server.read_pooled().await?;
    ///     assert_eq!(*request, *b"ping");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_pooled(&self) -> impl Future<Output = io::Result<PooledBuffer>> {
        self.stream.read_pooled()
    }

    /// A try of [`read_pooled`](Self::read_pooled): `None` is "not yet", and no buffer is held.
    ///
    /// # Errors
    ///
    /// As `read_pooled`.
    pub fn try_read_pooled(&self) -> io::Result<Option<PooledBuffer>> {
        self.stream.try_read_pooled()
    }
}

impl UnixStream {
    /// Reads what is there into a buffer of the reactor's pool, and returns that; empty is end-of-file. While there is
    /// nothing to read no buffer is held, so an idle connection needs no memory for one.
    ///
    /// At most 16 KiB at once, unless [`Builder::buffers`](crate::Builder::buffers) says otherwise. Descriptors that
    /// come with the bytes are closed, as by [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is read unless the future returns it.
    ///
    /// ```
    /// use mainspring::net::UnixStream;
    ///
    /// mainspring::run(async {
    ///     let (left, right) = UnixStream::pair()?;
    ///     left.write_all(b"ping").await?;
    ///     assert_eq!(*right.read_pooled().await?, *b"ping");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_pooled(&self) -> impl Future<Output = io::Result<PooledBuffer>> {
        self.stream.read_pooled()
    }

    /// A try of [`read_pooled`](Self::read_pooled): `None` is "not yet", and no buffer is held.
    ///
    /// # Errors
    ///
    /// As `read_pooled`.
    pub fn try_read_pooled(&self) -> io::Result<Option<PooledBuffer>> {
        self.stream.try_read_pooled()
    }
}
