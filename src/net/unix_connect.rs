//! Connecting to a Unix listener, which is done at once or not at all.
//!
//! There is nothing to wait for but one thing: a listener whose queue is full. Linux then says `EAGAIN`, nothing has
//! started, and no event tells when there is room, connect(2); so the call is made again after a while, longer each
//! time. The socket is registered meanwhile, since the wait is one for writing like any other, with a timer where
//! others have an event. What the selector says of an unconnected socket (that it hung up) is one spurious try.
//!
//! To hand the error to the caller, as other libraries do, makes each caller write this loop.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use mainspring_sys::{Connect, Socket};

use super::attempt::Attempt;
use super::pause::Pause;
use super::stream::Stream;
use super::unix_stream::UnixStream;
use crate::core::Core;
use crate::direction::Direction;

/// The first pause when the queue of the listener is full, nanoseconds: it accepts many connections in that time.
const PAUSE_MIN: u64 = 1_000_000;

/// The longest pause, nanoseconds, reached after six in a row: a listener that is stuck costs ten tries a second or so.
const PAUSE_MAX: u64 = 64_000_000;

/// A connection that is being made; a future of the [`UnixStream`]. Made by [`UnixStream::start_connect`].
///
/// # Cancel safety
///
/// Dropping it closes the socket. Polled by `&mut`, it can be left and taken up again.
///
/// ```
/// use mainspring::net::{UnixListener, UnixStream};
///
/// # let folder = std::env::temp_dir().join(format!("mainspring-connecting-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("socket");
/// mainspring::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let mut connecting = UnixStream::start_connect(&listener.local_addr()?)?;
///     let stream = connecting.try_connect()?.expect("there is room in the queue");
///     assert_eq!(stream.peer_addr()?.as_pathname(), Some(&*path));
///     std::io::Result::Ok(())
/// })??;
/// # std::fs::remove_dir_all(&folder)?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct UnixConnecting {
    /// What it shares with other kinds.
    attempt: Attempt,
    /// Where to; none once it is connected.
    address: Option<SocketAddr>,
    /// What is taken while the queue is full.
    pause: Pause,
}

impl UnixConnecting {
    pub(super) fn start(address: &SocketAddr) -> io::Result<Self> {
        let core = Core::running("a UnixStream")?;
        let socket = Socket::unix_stream()?;
        let pause = Pause::new(PAUSE_MIN, PAUSE_MAX);
        let (stream, address) = match socket.connect_unix(address)? {
            Connect::Done => (Stream::connected(&core, socket, false)?, None),
            Connect::InProgress | Connect::QueueFull => {
                let stream = Stream::connecting(&core, socket, false)?;
                pause.start(stream.io.source(), Direction::Write);
                (stream, Some(address.clone()))
            }
        };
        Ok(Self { attempt: Attempt::new(stream), address, pause })
    }

    /// A try in the style of a tick: `None` is "not yet".
    ///
    /// # Errors
    ///
    /// Why the connection could not be made: `ConnectionRefused` when the listener has gone meanwhile.
    pub fn try_connect(&mut self) -> io::Result<Option<UnixStream>> {
        let Self { attempt, address, pause } = self;
        Ok(attempt.try_connect(|stream| connect(stream, address.as_ref(), pause))?.map(UnixStream::of))
    }
}

/// Connects, if that is still to be done.
fn connect(stream: &Stream, address: Option<&SocketAddr>, pause: &Pause) -> io::Result<()> {
    let Some(address) = address else { return Ok(()) };
    if stream.socket().connect_unix(address)? == Connect::Done {
        // What comes from now on is an event of a socket that is registered.
        return Ok(());
    }
    pause.start(stream.io.source(), Direction::Write);
    Err(io::ErrorKind::WouldBlock.into())
}

impl Future for UnixConnecting {
    type Output = io::Result<UnixStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { attempt, address, pause } = &mut *self;
        attempt.poll_connect(cx, |stream| connect(stream, address.as_ref(), pause)).map_ok(UnixStream::of)
    }
}

impl fmt::Debug for UnixConnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixConnecting").field("address", &self.address).finish_non_exhaustive()
    }
}
