//! Connecting over TCP: the one source whose readiness does not start optimistic.
//!
//! The socket is registered after `connect(2)` was called, since a fresh one reports that it hung up. Writable means
//! that the attempt has ended; `SO_ERROR` says how. Where that knows of no error, `getpeername` says whether there is a
//! connection, since an event is a hint and no more. An interrupted `connect(2)` goes on by itself and is never called
//! again (POSIX, `connect`).

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use mainspring_sys::Connect;

use super::attempt::Attempt;
use super::connect_options::ConnectOptions;
use super::stream::Stream;
use super::tcp_stream::TcpStream;
use crate::core::Core;

/// A connection that is being made; a future of the [`TcpStream`]. Made by [`TcpStream::start_connect`], and with
/// settings by [`ConnectOptions::start_connect`].
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
#[must_use = "futures do nothing unless polled"]
pub struct Connecting {
    /// What it shares with other kinds.
    attempt: Attempt,
}

impl Connecting {
    pub(super) fn start(options: &ConnectOptions, address: &SocketAddr) -> io::Result<Self> {
        let core = Core::running("a TcpStream")?;
        let socket = options.open(address)?;
        let stream = match socket.connect(address)? {
            Connect::Done => Stream::connected(&core, socket, true)?,
            _ => Stream::connecting(&core, socket, true)?,
        };
        Ok(Self { attempt: Attempt::new(stream) })
    }

    /// A try in the style of a tick: `None` is "not yet".
    ///
    /// # Errors
    ///
    /// Why the connection could not be made (`ConnectionRefused`, `TimedOut`...), with its raw OS code.
    pub fn try_connect(&mut self) -> io::Result<Option<TcpStream>> {
        Ok(self.attempt.try_connect(outcome)?.map(TcpStream::of))
    }
}

impl Future for Connecting {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.attempt.poll_connect(cx, outcome).map_ok(TcpStream::of)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

/// How an attempt ended, asked after a write event.
fn outcome(stream: &Stream) -> io::Result<()> {
    if let Some(error) = stream.socket().take_error()? {
        return Err(error);
    }
    match stream.socket().peer_addr() {
        Ok(_) => Ok(()),
        // A spurious event: the attempt goes on.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}
