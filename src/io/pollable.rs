//! std I/O with a poll interface: what libraries with I/O traits of their own ask for.
//!
//! hyper's `rt::Read` and `rt::Write` (feature `hyper`) and those of `futures-io` (feature `futures-io`) are
//! implemented for this one type, over any source that reads and writes as std does: a socket, a TLS session on it, a
//! pair of pipes. Who writes a `Stream` or a protocol of their own by hand polls it too.
//!
//! Guarantees: "not yet" is pending, and was recorded with the waker of the caller's `Context`; a source that says it
//! without having recorded anything becomes an error, where a pending future would hang. Reading and writing wait under
//! names of their own, so a task that reads and another that writes are woken apart from each other, also where a read
//! of TLS has to write first.
//!
//! The trade-off: an object that waits belongs to one reader and one writer, and the last one to ask is the one that is
//! woken, as in the poll interfaces of every runtime. Traits implemented for the sockets themselves were turned down: a
//! wait needs an owner that ends it, which a socket that is shared by reference is not.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};

use super::half_close::HalfClose;
use super::poll_try::poll_try;
use super::pooled_buffer::PooledBuffer;
use crate::core::Core;
use crate::scope::Owner;

/// A source of std's `Read` and `Write` that is polled.
///
/// The source must be resumable: it keeps its place when it says `WouldBlock`, as sockets, `BufReader` and TLS sessions
/// do. Everything else about it goes on as before. Its timeouts too: a wait goes on from a `Pending` to the poll that
/// finds it over, so time in which nobody polls counts as waiting.
///
/// ```
/// use mainspring::{io::Pollable, net::UnixStream};
/// use std::future::poll_fn;
///
/// mainspring::run(async {
///     let (left, right) = UnixStream::pair()?;
///     let (mut left, mut right) = (Pollable::new(left), Pollable::new(right));
///     assert_eq!(poll_fn(|cx| left.poll_write(cx, b"ping")).await?, 4);
///     poll_fn(|cx| left.poll_shutdown(cx)).await?;
///     let mut buffer = [0; 16];
///     assert_eq!(poll_fn(|cx| right.poll_read(cx, &mut buffer)).await?, 4);
///     assert_eq!(poll_fn(|cx| right.poll_read(cx, &mut buffer)).await?, 0);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub struct Pollable<S> {
    /// What is read and written.
    source: S,
    /// Under whose name reads wait.
    reading: Owner,
    /// Under whose name writes, flushes and shutdowns wait.
    writing: Owner,
}

/// Nothing in it is pinned: the source is only ever used by reference.
impl<S> Unpin for Pollable<S> {}

impl<S> Pollable<S> {
    /// Makes `source` pollable. Allocates nothing.
    pub fn new(source: S) -> Self {
        Self { source, reading: Owner::new(), writing: Owner::new() }
    }

    /// The source.
    pub const fn get_ref(&self) -> &S {
        &self.source
    }

    /// The source, mutably.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.source
    }

    /// Gives the source back. No byte is held here.
    pub fn into_inner(self) -> S {
        self.source
    }
}

impl<S: Read> Pollable<S> {
    /// Reads what is there, up to the length of `buffer`; 0 is end-of-file, or that `buffer` is empty.
    ///
    /// # Errors
    ///
    /// Those of the source; and an error when it says `WouldBlock` although no source of the running reactor did.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_try(&self.reading, cx, || self.source.read(buffer))
    }

    /// Reads what is there, up to `max` bytes, into a buffer of the reactor's pool, as
    /// [`read_pooled`](super::read_pooled); empty is end-of-file, or that `max` is 0. While there is nothing to read
    /// no buffer is held.
    ///
    /// # Errors
    ///
    /// As [`poll_read`](Self::poll_read), and when no reactor is running on this thread.
    pub fn poll_read_pooled(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<io::Result<PooledBuffer>> {
        poll_try(&self.reading, cx, || {
            PooledBuffer::read(Core::running("a buffer of the pool")?, |buffer| {
                let room = buffer.len().min(max);
                self.source.read(&mut buffer[..room])
            })
        })
    }
}

impl<S: Write> Pollable<S> {
    /// Writes as much of `buffer` as there is room for, and returns how much.
    ///
    /// # Errors
    ///
    /// As [`poll_read`](Self::poll_read).
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        poll_try(&self.writing, cx, || self.source.write(buffer))
    }

    /// Writes several buffers, as [`poll_write`](Self::poll_write); with one system call where the source is a socket.
    ///
    /// # Errors
    ///
    /// As [`poll_read`](Self::poll_read).
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        poll_try(&self.writing, cx, || self.source.write_vectored(buffers))
    }

    /// Has what was written leave the source's own buffers.
    ///
    /// # Errors
    ///
    /// As [`poll_read`](Self::poll_read).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_try(&self.writing, cx, || self.source.flush())
    }
}

impl<S: Write + HalfClose> Pollable<S> {
    /// Flushes, and closes the writing side. What the peer sends can be read on.
    ///
    /// # Errors
    ///
    /// As [`poll_read`](Self::poll_read).
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        poll_try(&self.writing, cx, || self.source.shutdown_write())
    }
}

impl<S: fmt::Debug> fmt::Debug for Pollable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pollable").field("source", &self.source).finish_non_exhaustive()
    }
}
