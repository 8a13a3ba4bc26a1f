//! The two ends of a conduit: a socket, or the end of a pipe.
//!
//! A conduit reads from its inlet and writes to its outlet, and the types say which ends can be which: a pipe has one
//! direction. Made from a reference, by `From`, so that whoever makes a conduit names neither. A trait for what can be
//! read would let others implement it, whose bytes stand where splice(2) does not see them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::{PipeReader, PipeWriter, Socket};

/// Where a [`Conduit`](crate::Conduit) is filled from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Inlet<'a> {
    /// A stream socket.
    Socket(&'a Socket),
    /// A pipe.
    Pipe(&'a PipeReader),
}

impl Inlet<'_> {
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.recv(buffer),
            Self::Pipe(reader) => reader.read(buffer),
        }
    }
}

/// Where a [`Conduit`](crate::Conduit) is drained to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outlet<'a> {
    /// A stream socket.
    Socket(&'a Socket),
    /// A pipe.
    Pipe(&'a PipeWriter),
}

impl Outlet<'_> {
    pub(crate) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.send(buffer),
            Self::Pipe(writer) => writer.write(buffer),
        }
    }
}

impl<'a> From<&'a Socket> for Inlet<'a> {
    fn from(socket: &'a Socket) -> Self {
        Self::Socket(socket)
    }
}

impl<'a> From<&'a PipeReader> for Inlet<'a> {
    fn from(reader: &'a PipeReader) -> Self {
        Self::Pipe(reader)
    }
}

impl<'a> From<&'a Socket> for Outlet<'a> {
    fn from(socket: &'a Socket) -> Self {
        Self::Socket(socket)
    }
}

impl<'a> From<&'a PipeWriter> for Outlet<'a> {
    fn from(writer: &'a PipeWriter) -> Self {
        Self::Pipe(writer)
    }
}

impl AsFd for Inlet<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Pipe(reader) => reader.as_fd(),
        }
    }
}

impl AsFd for Outlet<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Pipe(writer) => writer.as_fd(),
        }
    }
}
