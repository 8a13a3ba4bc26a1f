//! Reads of a TCP connection that bring their own buffer.
//!
//! [`io::read_pooled`](crate::io::read_pooled) as methods. The future is that of any other read: its wait stands in the
//! source, where the one over std's `Read` keeps a list of the sources that it has asked.

use std::future::Future;
use std::io;

use super::leaf;
use super::tcp_stream::TcpStream;
use crate::io::PooledBuffer;

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
        leaf::reading(self.stream.io.source(), || {
            PooledBuffer::read(self.stream.io.source().core().clone(), |buffer| self.stream.recv(buffer))
        })
    }

    /// A try of [`read_pooled`](Self::read_pooled): `None` is "not yet", and no buffer is held.
    ///
    /// # Errors
    ///
    /// As `read_pooled`.
    pub fn try_read_pooled(&self) -> io::Result<Option<PooledBuffer>> {
        let mut taken = None;
        let count = self.stream.io.source().try_read(1, || {
            let buffer = PooledBuffer::read(self.stream.io.source().core().clone(), |buffer| self.stream.recv(buffer))?;
            Ok(taken.insert(buffer).len())
        })?;
        Ok(count.and(taken))
    }
}
