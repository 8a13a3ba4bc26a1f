//! `AsyncRead` and `AsyncWrite` of the crate `futures-io` for a [`Pollable`]; with the feature of that name alone.
//!
//! What is written for these two traits and for no runtime, as most of the crates around `futures`, async-std and smol
//! are, runs on a source of Mainspring through them. Closing is the end of the writing side; reading goes on.
//!
//! The traits of tokio were turned down: they come with a crate that has a runtime of its own, and adapters between the
//! two pairs exist already.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::half_close::HalfClose;
use super::pollable::Pollable;

impl<S: Read> AsyncRead for Pollable<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Self::poll_read(&mut self, cx, buffer)
    }
}

impl<S: Write + HalfClose> AsyncWrite for Pollable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write_vectored(&mut self, cx, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(&mut self, cx)
    }
}
