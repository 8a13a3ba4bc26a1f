//! From one stream to another without looking at the bytes: a relay's copy.
//!
//! As [`io::copy`](crate::io::copy), for stream sockets and pipes, through a [`Conduit`] of the operating system: on
//! Linux the bytes stay in the kernel (splice(2)), elsewhere they pass through a buffer. Which of the two is decided
//! there.
//!
//! A function of its own and not a shortcut inside `io::copy`: that one takes any reader and writer, of which it cannot
//! know that they are bare descriptors, and a `BufReader` around one may hold bytes that a splice would overtake. Its
//! two ends are of two types, since a pipe goes one way.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use mainspring_sys::{Conduit, Inlet, Outlet};

use super::leaf;
use super::pipe::{PipeReader, PipeWriter};
use super::registered::put_off;
use super::stream::Stream;
use super::tcp_stream::TcpStream;
use super::unix_stream::UnixStream;
use crate::source::Source;

/// One of the two streams between which [`splice_bidirectional`] moves bytes: made from a reference to it.
#[derive(Clone, Copy)]
pub struct SpliceEnd<'a>(&'a Stream);

/// What [`splice`] moves bytes from: made from a reference to a stream, or to the end of a pipe that is read.
#[derive(Clone, Copy)]
pub struct SpliceFrom<'a> {
    /// What the reactor knows of it.
    source: &'a Source,
    /// What the bytes are read from.
    inlet: Inlet<'a>,
}

/// What [`splice`] moves bytes to: made from a reference to a stream, or to the end of a pipe that is written.
#[derive(Clone, Copy)]
pub struct SpliceTo<'a> {
    /// What the reactor knows of it.
    source: &'a Source,
    /// What the bytes are written to.
    outlet: Outlet<'a>,
}

impl<'a> From<&'a TcpStream> for SpliceEnd<'a> {
    fn from(stream: &'a TcpStream) -> Self {
        Self(&stream.stream)
    }
}

impl<'a> From<&'a UnixStream> for SpliceEnd<'a> {
    fn from(stream: &'a UnixStream) -> Self {
        Self(&stream.stream)
    }
}

impl<'a, S: Into<SpliceEnd<'a>>> From<S> for SpliceFrom<'a> {
    fn from(stream: S) -> Self {
        let SpliceEnd(stream) = stream.into();
        Self { source: stream.io.source(), inlet: stream.socket().into() }
    }
}

impl<'a> From<&'a PipeReader> for SpliceFrom<'a> {
    fn from(reader: &'a PipeReader) -> Self {
        Self { source: reader.io.source(), inlet: reader.io.descriptor().into() }
    }
}

impl<'a, S: Into<SpliceEnd<'a>>> From<S> for SpliceTo<'a> {
    fn from(stream: S) -> Self {
        let SpliceEnd(stream) = stream.into();
        Self { source: stream.io.source(), outlet: stream.socket().into() }
    }
}

impl<'a> From<&'a PipeWriter> for SpliceTo<'a> {
    fn from(writer: &'a PipeWriter) -> Self {
        Self { source: writer.io.source(), outlet: writer.io.descriptor().into() }
    }
}

impl fmt::Debug for SpliceEnd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpliceEnd").field(self.0.socket()).finish()
    }
}

impl fmt::Debug for SpliceFrom<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpliceFrom").field(&self.inlet).finish()
    }
}

impl fmt::Debug for SpliceTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpliceTo").field(&self.outlet).finish()
    }
}

/// Moves all that comes out of `from` to `to`, up to the end-of-file, and returns the number of bytes: for a relay that
/// has much to carry, or what goes to a child process or comes from one. On Linux the bytes do not enter this process.
///
/// The end-of-file itself is not passed on: see [`shutdown`](TcpStream::shutdown), and drop the writer of a pipe.
/// [`splice_bidirectional`] is a whole relay between two streams.
///
/// Between two streams it holds a pipe, two descriptors, also while there is nothing to move, and at most 64 KiB are on
/// the way; [`io::copy`](crate::io::copy()) holds nothing then, and is the better choice for connections that are
/// mostly idle. If `from` or `to` is a pipe itself, nothing more is held. Urgent data is left out; on Linux, what a
/// peer sends after it waits for the end-of-file if both are streams.
///
/// # Errors
///
/// Those of reading and writing, deadlines included. Up to 64 KiB that were taken and not sent are lost.
///
/// # Cancel safety
///
/// Not cancel safe: up to 64 KiB that were taken from `from` and not sent are lost with the future, and so is the
/// count. On Linux the count alone if `from` or `to` is a pipe.
///
/// ```
/// use std::net::Shutdown;
/// use mainspring::net::{self, TcpListener, TcpStream};
///
/// mainspring::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let (client, server) = (TcpStream::connect(address).await?, TcpStream::connect(address).await?);
///     let (from, to) = (listener.accept().await?.0, listener.accept().await?.0);
///     client.write_all(b"through the kernel").await?;
///     client.shutdown(Shutdown::Write)?;
///     assert_eq!(net::splice(&from, &to).await?, 18);
///     assert_eq!(server.read(&mut [0; 64]).await?, 18);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn splice<'a>(from: impl Into<SpliceFrom<'a>>, to: impl Into<SpliceTo<'a>>) -> io::Result<u64> {
    let (from, to): (SpliceFrom<'_>, SpliceTo<'_>) = (from.into(), to.into());
    let mut conduit = Conduit::new(from.inlet, to.outlet);
    while leaf::reading(from.source, || charged(from.source, &mut conduit, Conduit::fill)).await? {
        while !conduit.is_empty() {
            let mut drain = || charged(to.source, &mut conduit, Conduit::drain);
            leaf::writing(to.source, || drain().map_err(|error| put_off(to.source, error))).await?;
        }
    }
    Ok(conduit.moved())
}

/// A step of a conduit. The running poll is charged for what has come out.
fn charged<'a, T>(
    source: &Source,
    conduit: &mut Conduit<'a>,
    step: impl FnOnce(&mut Conduit<'a>) -> io::Result<T>,
) -> io::Result<T> {
    let before = conduit.moved();
    let result = step(conduit);
    source.core().account.charge((conduit.moved() - before) as usize);
    result
}

/// Relays in both directions until both have ended, and returns how many bytes went from `one` to `other`, and back:
/// [`io::copy_bidirectional`](crate::io::copy_bidirectional()) for two streams, through [`splice`].
///
/// When one side ends, the writing side of the other is closed, and the opposite direction goes on. It holds a pipe for
/// each direction, four descriptors, to the end.
///
/// # Errors
///
/// The first of either side, as those of `splice`; the other direction ends with it. The streams stay open.
///
/// # Cancel safety
///
/// Not cancel safe: for each direction up to 64 KiB that were taken and not sent are lost with the future, and so are
/// the counts.
///
/// ```
/// use std::net::Shutdown;
/// use mainspring::net::{self, UnixStream};
///
/// mainspring::run(async {
///     let ((client, one), (other, server)) = (UnixStream::pair()?, UnixStream::pair()?);
///     client.write_all(b"question").await?;
///     client.shutdown(Shutdown::Write)?;
///     server.write_all(b"answer").await?;
///     server.shutdown(Shutdown::Write)?;
///     assert_eq!(net::splice_bidirectional(&one, &other).await?, (8, 6));
///     assert_eq!(server.read(&mut [0; 64]).await?, 8);
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn splice_bidirectional<'a>(
    one: impl Into<SpliceEnd<'a>>,
    other: impl Into<SpliceEnd<'a>>,
) -> io::Result<(u64, u64)> {
    let (one, other): (SpliceEnd<'_>, SpliceEnd<'_>) = (one.into(), other.into());
    let (mut there, mut back) = (pin!(splice_to_end(one, other)), pin!(splice_to_end(other, one)));
    let (mut moved_there, mut moved_back) = (None, None);
    let mut back_first = false;
    poll_fn(|cx| {
        // A direction that is never out of work spends the budget of a poll: each is first in its turn.
        back_first = !back_first;
        if back_first {
            go_on(cx, back.as_mut(), &mut moved_back)?;
        }
        go_on(cx, there.as_mut(), &mut moved_there)?;
        if !back_first {
            go_on(cx, back.as_mut(), &mut moved_back)?;
        }
        moved_there.zip(moved_back).map_or(Poll::Pending, |moved| Poll::Ready(Ok(moved)))
    })
    .await
}

/// One direction, and the passing on of its end.
async fn splice_to_end(from: SpliceEnd<'_>, to: SpliceEnd<'_>) -> io::Result<u64> {
    let moved = splice(from, to).await?;
    match to.0.shutdown(Shutdown::Write) {
        // Its peer has gone, and its own direction says so.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(moved),
        result => result.map(|()| moved),
    }
}

/// Polls a direction that has not ended.
fn go_on<F>(cx: &mut Context<'_>, direction: Pin<&mut F>, moved: &mut Option<u64>) -> io::Result<()>
where
    F: Future<Output = io::Result<u64>>,
{
    if moved.is_none() {
        if let Poll::Ready(result) = direction.poll(cx) {
            *moved = Some(result?);
        }
    }
    Ok(())
}
