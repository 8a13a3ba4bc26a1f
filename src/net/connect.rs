//! Connecting: the one source whose readiness does not start optimistic.
//!
//! The socket is registered after `connect(2)` was called, since a fresh one reports that it hung up. Writable means that
//! the attempt has ended; `SO_ERROR` says how. Where that knows of no error, `getpeername` says whether there is a
//! connection, since an event is a hint and no more. An interrupted `connect(2)` goes on by itself and is never called
//! again (POSIX, `connect`).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use mainspring_sys::{Connect, Socket};

use super::addresses::ToAddresses;
use super::tcp_stream::TcpStream;
use crate::core::Core;
use crate::direction::Direction;

/// A connection that is being made; a future of the [`TcpStream`]. Made by [`TcpStream::start_connect`].
///
/// # Cancel safety
///
/// Dropping it closes the socket, and with it the attempt. Polled by `&mut`, it can be left and taken up again.
///
/// ```
/// use mainspring::net::{TcpListener, TcpStream};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let connecting = TcpStream::start_connect(listener.local_addr()?)?;
///     let stream = connecting.await?;
///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Connecting {
    /// The stream; none after it was returned.
    stream: Option<TcpStream>,
    /// The owner id of the wait; 0 before it.
    owner: u64,
}

impl Connecting {
    pub(super) fn start(address: SocketAddr) -> io::Result<Self> {
        let core = Core::running("a TcpStream")?;
        let socket = Socket::tcp(&address)?;
        let connected = matches!(socket.connect(&address)?, Connect::Done);
        let stream = TcpStream::register(&core, socket, connected)?;
        Ok(Self { stream: Some(stream), owner: 0 })
    }

    /// A try in the style of a tick: `None` is "not yet".
    ///
    /// # Errors
    ///
    /// Why the connection could not be made (`ConnectionRefused`, `TimedOut`...), with its raw OS code.
    pub fn try_connect(&mut self) -> io::Result<Option<TcpStream>> {
        let connected = {
            let stream = self.stream.as_ref().ok_or_else(finished)?;
            stream.source.try_io(Direction::Write, || outcome(stream))
        };
        match connected {
            Ok(None) => Ok(None),
            Ok(Some(())) => Ok(self.stream.take()),
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }
}

impl Future for Connecting {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(stream) = &this.stream else { return Poll::Ready(Err(finished())) };
        let result =
            std::task::ready!(stream.source.poll_io(&mut this.owner, cx, Direction::Write, || outcome(stream)));
        let stream = this.stream.take().ok_or_else(finished);
        Poll::Ready(result.and(stream))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.source.end_own(&mut self.owner, Direction::Write);
        }
    }
}

#[cold]
fn finished() -> io::Error {
    io::Error::other("a Connecting was used again after it had ended")
}

/// How an attempt ended, asked after a write event.
fn outcome(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.socket.take_error()? {
        return Err(error);
    }
    match stream.socket.peer_addr() {
        Ok(_) => Ok(()),
        // A spurious event: the attempt goes on.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

/// Tries the addresses in turn.
pub(super) async fn connect(addresses: impl ToAddresses) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to");
    for address in addresses.to_addresses()?.resolve().await? {
        let attempt = match Connecting::start(address) {
            Ok(connecting) => connecting.await,
            Err(error) => Err(error),
        };
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
