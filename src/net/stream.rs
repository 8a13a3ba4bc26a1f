//! What TCP and Unix streams share: bytes in both directions.
//!
//! [`TcpStream`](super::TcpStream) and [`UnixStream`](super::UnixStream) wrap it, and add what their kind has of its
//! own; the listeners and the connecting futures make it. Each operation is one system call on the socket, followed by
//! what it says about readiness: of a TCP stream a short read or write means that the next would find nothing. What is
//! no TCP stream, and urgent data, kernel TLS and the like, make it mean nothing; the source sees to that.
//!
//! The methods have no docs of their own where the public ones of the same name say it.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::time::Duration;

use mainspring_sys::{Interest, Readiness, Socket};

use super::leaf;
use super::registered::Registered;
use crate::core::Core;
use crate::direction::Direction;

/// A connected socket that carries bytes, or one that is connecting.
#[expect(missing_debug_implementations, reason = "public for a sealed trait; nobody can name it")]
pub struct Stream {
    /// The descriptor and its place in the reactor.
    pub(super) io: Registered<Socket>,
}

/// What a stream is registered for, once.
fn interest() -> Interest {
    Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY
}

impl Stream {
    /// Registers a connected socket; `drains` if it is known to be of TCP.
    pub(crate) fn connected(core: &Core, socket: Socket, drains: bool) -> io::Result<Self> {
        let believed = Readiness::READABLE.union(Readiness::WRITABLE);
        Ok(Self { io: Registered::believed(core, socket, interest(), believed, drains)? })
    }

    /// Registers a socket that is connecting, of which nothing is believed.
    pub(super) fn connecting(core: &Core, socket: Socket, drains: bool) -> io::Result<Self> {
        Ok(Self { io: Registered::believed(core, socket, interest(), Readiness::EMPTY, drains)? })
    }

    /// Registers a socket of the standard library, of which whoever made it may have a duplicate.
    pub(super) fn from_fd(core: &Core, descriptor: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from_fd(descriptor)?;
        let drains = socket.is_tcp_stream();
        let stream = Self::connected(core, socket, drains)?;
        stream.io.hand_out();
        Ok(stream)
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    #[inline]
    pub(super) const fn socket(&self) -> &Socket {
        self.io.descriptor()
    }

    #[inline]
    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket().recv(buffer)?;
        self.io.source().transferred(Direction::Read, count, buffer.len());
        Ok(count)
    }

    fn recv_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let room = room(buffers);
        let count = self.socket().recv_vectored(buffers)?;
        self.io.source().transferred(Direction::Read, count, asked_for(buffers.len(), room, count));
        Ok(count)
    }

    #[inline]
    fn send(&self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.socket().send(buffer).map_err(|error| self.io.put_off(error))?;
        self.io.source().written(count, buffer.len());
        Ok(count)
    }

    fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.socket().send_vectored(buffers).map_err(|error| self.io.put_off(error))?;
        let bytes = buffers.iter().map(|buffer| buffer.len()).sum();
        self.io.source().written(count, asked_for(buffers.len(), bytes, count));
        Ok(count)
    }

    #[inline]
    pub(super) fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(self.io.source(), move || self.recv(buffer))
    }

    #[inline]
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.io.source().try_read(buffer.len(), || self.recv(buffer))
    }

    pub(super) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> impl Future<Output = io::Result<usize>> {
        leaf::reading(self.io.source(), move || self.recv_vectored(buffers))
    }

    pub(super) fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<Option<usize>> {
        self.io.source().try_read(room(buffers), || self.recv_vectored(buffers))
    }

    pub(super) fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.io.reading(move |socket| socket.peek(buffer))
    }

    pub(super) fn try_peek(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.io.source().try_read(buffer.len(), || self.io.charged(self.socket().peek(buffer)))
    }

    #[inline]
    pub(super) fn write(&self, buffer: &[u8]) -> impl Future<Output = io::Result<usize>> {
        leaf::writing(self.io.source(), move || self.send(buffer))
    }

    #[inline]
    pub(super) fn try_write(&self, buffer: &[u8]) -> io::Result<Option<usize>> {
        self.io.source().try_io(Direction::Write, || self.send(buffer))
    }

    pub(super) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> impl Future<Output = io::Result<usize>> {
        leaf::writing(self.io.source(), move || self.send_vectored(buffers))
    }

    pub(super) fn try_write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        self.io.source().try_io(Direction::Write, || self.send_vectored(buffers))
    }

    #[inline]
    pub(super) async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let count = self.write(buffer).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            buffer = &buffer[count..];
        }
        Ok(())
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket().shutdown(how)?;
        self.io.wake_all();
        Ok(())
    }
}

/// Of how many bytes in so many buffers the system was asked: of all, unless it takes only a part of them in one call.
/// Then it counts as if it had been asked for the `count` that it has done, since a transfer that is short says nothing.
const fn asked_for(buffers: usize, bytes: usize, count: usize) -> usize {
    if buffers > Socket::BUFFERS_MAX || bytes > Socket::BYTES_MAX { count } else { bytes }
}

/// How many bytes the buffers have room for.
pub(super) fn room(buffers: &[IoSliceMut<'_>]) -> usize {
    buffers.iter().map(|buffer| buffer.len()).sum()
}
