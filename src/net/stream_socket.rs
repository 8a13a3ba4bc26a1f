//! What TCP and Unix streams are to whoever serves either.
//!
//! A [`Server`](crate::Server) is of one kind of stream, and all that it needs to know of the kind stands here: how a
//! connection is accepted and registered, and what an address is. The rest, limits, deadlines, the way between threads
//! and the end, is the same code, compiled for each kind: no read or write goes through a table of functions.
//!
//! The type of the stream is what tells the kinds apart, since it is what a handler has in hand. Markers for the kinds
//! beside it, or an enum of both streams, were turned down: the one is two names more, and the other has a branch in
//! each operation and none of the methods of a kind.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix;

use mainspring_sys::Socket;

use super::stream::Stream;
use super::tcp_stream::TcpStream;
use super::unix_stream::UnixStream;
use crate::inside::Inside;
use crate::io::HalfClose;

/// A stream that a [`Server`](crate::Server) accepts: [`TcpStream`] or [`UnixStream`], and no other.
///
/// For handlers of both kinds.
///
/// ```
/// use mainspring::codec::{Framed, Lines};
/// use mainspring::net::StreamSocket;
/// use mainspring::server::Connection;
/// use mainspring::service::service_fn;
/// use std::io;
///
/// async fn shout<S: StreamSocket>(connection: Connection<S>) -> io::Result<()> {
///     let service = service_fn(async |line: String| io::Result::Ok(line.to_uppercase()));
///     let (stream, server) = connection.pipeline()?;
///     server.serve(Framed::new(stream, Lines::new()), &service).await.map_err(io::Error::other)
/// }
///
/// let _of_tcp = mainspring::Server::bind("127.0.0.1:0")?;
/// # let _ = |server: mainspring::Server| server.serve(shout);
/// # let _ = |server: mainspring::Server<mainspring::net::UnixStream>| server.serve(shout);
/// # io::Result::Ok(())
/// ```
pub trait StreamSocket: Kind + Read + Write + HalfClose + fmt::Debug + 'static {
    /// The address of one of its ends.
    type Address: Clone + fmt::Debug + Send + 'static;
}

impl StreamSocket for TcpStream {
    type Address = SocketAddr;
}

impl StreamSocket for UnixStream {
    type Address = unix::net::SocketAddr;
}

/// What is the same of all kinds, and what a server asks of one. Its functions are for this crate alone:
///
/// ```compile_fail,E0061
/// fn inside<S: mainspring::net::StreamSocket>(socket: &S) {
///     socket.stream();
/// }
/// ```
pub trait Kind: Sized {
    /// Whether a short read of it means that nothing is left.
    const DRAINS: bool;

    /// A stream of this kind.
    fn of(stream: Stream, _: Inside) -> Self;

    /// What it shares with other kinds.
    fn stream(&self, _: Inside) -> &Stream;

    /// Takes a connection, with the address of the other end.
    fn accept(listener: &Socket, _: Inside) -> io::Result<(Socket, Self::Address)>
    where
        Self: StreamSocket;

    /// Where a listener listens.
    fn listens_at(listener: &Socket, _: Inside) -> io::Result<Self::Address>
    where
        Self: StreamSocket;
}

impl Kind for TcpStream {
    const DRAINS: bool = true;

    fn of(stream: Stream, _: Inside) -> Self {
        Self { stream }
    }

    fn stream(&self, _: Inside) -> &Stream {
        &self.stream
    }

    fn accept(listener: &Socket, _: Inside) -> io::Result<(Socket, SocketAddr)> {
        listener.accept()
    }

    fn listens_at(listener: &Socket, _: Inside) -> io::Result<SocketAddr> {
        listener.local_addr()
    }
}

impl Kind for UnixStream {
    const DRAINS: bool = false;

    fn of(stream: Stream, _: Inside) -> Self {
        Self { stream }
    }

    fn stream(&self, _: Inside) -> &Stream {
        &self.stream
    }

    fn accept(listener: &Socket, _: Inside) -> io::Result<(Socket, unix::net::SocketAddr)> {
        listener.accept_unix()
    }

    fn listens_at(listener: &Socket, _: Inside) -> io::Result<unix::net::SocketAddr> {
        listener.local_unix_addr()
    }
}
