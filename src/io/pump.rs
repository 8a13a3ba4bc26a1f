//! From a reader to a writer, step by step: what `copy` and each direction of `copy_bidirectional` are made of.
//!
//! What has been read and not written stands here, where std's `copy` loses it at a "not yet". The reader is not asked
//! again before all of it is written: back-pressure reaches the sender through its socket, and the memory is one
//! buffer. Reading ahead while writing waits was turned down: between two sockets, the kernel's buffers do that.
//!
//! Unless a size was chosen, the buffer is one of the reactor's pool, and goes back there while nothing is to be read,
//! so a relay that is idle holds none. One of a chosen size is made at the first read and kept: to make a large one
//! again for each read would cost more than the read.

use std::io::{self, Read, Write};
use std::task::{Context, Poll, ready};

use super::poll_try::poll_try;
use super::pooled_buffer::PooledBuffer;
use crate::core::Core;
use crate::scope::Owner;

/// Bytes of a buffer where there is no pool: the same as those of the pool.
pub(super) const BUFFER_SIZE: usize = 16 * 1024;

/// One direction of copying.
pub(super) struct Pump {
    /// Under whose name it waits, for either side.
    owner: Owner,
    /// The chosen size of the buffer; none for one of the pool.
    size: Option<usize>,
    /// What is read into; none before the first read, and while nothing is to be read.
    buffer: Option<PooledBuffer>,
    /// Which bytes of the buffer have been read and not written.
    start: usize,
    end: usize,
    /// Set if something was written since the last flush.
    held_back: bool,
    /// Set if the reader has ended.
    ended: bool,
    /// Bytes that were written.
    copied: u64,
}

impl Pump {
    /// One with a buffer of `size` bytes, or with those of the pool.
    pub(super) fn new(size: Option<usize>) -> Self {
        let owner = Owner::new();
        Self { owner, size, buffer: None, start: 0, end: 0, held_back: false, ended: false, copied: 0 }
    }

    /// Under whose name it waits.
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Copies until the reader has ended and all is written and flushed, and then says how many bytes it was.
    pub(super) fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<u64>>
    where
        R: Read + ?Sized,
        W: Write + ?Sized,
    {
        loop {
            if self.start < self.end {
                ready!(self.poll_write(cx, writer))?;
            } else if self.ended {
                ready!(self.poll_flush(cx, writer))?;
                return Poll::Ready(Ok(self.copied));
            } else if let Poll::Ready(read) = self.poll_read(cx, reader) {
                read?;
            } else {
                if self.size.is_none() {
                    self.buffer = None;
                }
                // While there is nothing to read, what the writer may hold back goes out.
                if let Poll::Ready(flushed) = self.poll_flush(cx, writer) {
                    flushed?;
                }
                return Poll::Pending;
            }
        }
    }

    fn poll_read<R: Read + ?Sized>(&mut self, cx: &mut Context<'_>, reader: &mut R) -> Poll<io::Result<()>> {
        let buffer = self.buffer.get_or_insert_with(|| match self.size {
            Some(size) => PooledBuffer::take(None, size),
            None => PooledBuffer::take(Core::running("").ok(), BUFFER_SIZE),
        });
        let count = ready!(poll_try(&self.owner, cx, || reader.read(buffer.whole())))?;
        // Why bounded: a reader of the user's own may say anything.
        (self.start, self.end) = (0, count.min(buffer.whole().len()));
        self.ended = count == 0;
        Poll::Ready(Ok(()))
    }

    fn poll_write<W: Write + ?Sized>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>> {
        let Self { owner, buffer: Some(buffer), start, end, .. } = self else { return Poll::Ready(Ok(())) };
        let count = ready!(poll_try(owner, cx, || writer.write(&buffer.whole()[*start..*end])))?;
        if count == 0 {
            let message = format!("the writer took nothing more, with {} bytes to be written", *end - *start);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, message)));
        }
        let count = count.min(*end - *start);
        *start += count;
        self.held_back = true;
        self.copied += count as u64;
        Poll::Ready(Ok(()))
    }

    fn poll_flush<W: Write + ?Sized>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>> {
        if self.held_back {
            ready!(poll_try(&self.owner, cx, || writer.flush()))?;
            self.held_back = false;
        }
        Poll::Ready(Ok(()))
    }
}
