//! hyper's `Read` and `Write` for a [`Pollable`].
//!
//! hyper hands out memory that is not initialised, which takes `unsafe` to read into. So what arrives is read into a
//! buffer of the reactor's pool and copied from there: for a request that is less than the zeros which the other safe
//! way, initialising hyper's whole buffer before each read, would write. A read moves at most the size of such a
//! buffer, 16 KiB unless [`Builder::buffers`](crate::Builder::buffers) says otherwise.
//!
//! Buffers that are written together are one system call where the source is a socket; another source does with them
//! what its `write_vectored` does, which is the first of them at worst. hyper's `writev(false)` has it copy small ones
//! together instead.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{self, ReadBufCursor};

use crate::io::{HalfClose, Pollable};

impl<S: Read> rt::Read for Pollable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.poll_read_pooled(cx, buffer.remaining()))?;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: Write + HalfClose> rt::Write for Pollable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(&mut self, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(&mut self, cx, buffers)
    }
}
