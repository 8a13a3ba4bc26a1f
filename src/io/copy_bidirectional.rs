//! Both directions between two streams: a relay.
//!
//! Each direction is a pump (`pump.rs`) with a buffer and a wait of its own, so one that is held up by a peer that does
//! not read leaves the other alone. The end-of-file of one side closes the writing side of the other, and the opposite
//! direction goes on until its own end. An error of either ends both: what would come over half a relay is of no use.
//!
//! Both are polled by one future, which needs neither tasks nor halves of the streams. A direction that is never out of
//! work spends the budget of a poll first; which one goes first changes from poll to poll.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::task::{Context, Poll, ready};

use super::half_close::HalfClose;
use super::pump::Pump;
use super::shutdown::poll_shutdown;

/// Copies in both directions until both have ended, and returns how many bytes went from `one` to `other`, and back.
///
/// When one side ends, what it sent is written and flushed, and the writing side of the other is closed. The buffers
/// are those of the reactor's pool (16 KiB by default), held only while there are bytes to copy.
///
/// # Errors
///
/// The first of either side, as those of [`copy`](super::copy()); the other direction ends with it. The streams stay
/// open. A timeout is that of one wait of one direction: a relay ends with `TimedOut` when one side is silent for as
/// long as its read timeout, however much flows the other way.
///
/// # Cancel safety
///
/// Not cancel safe: for each direction a buffer's worth of bytes that were read and not written are lost with the
/// future, and so are the counts.
///
/// ```
/// use mainspring::{io, net::{TcpListener, TcpStream}};
///
/// mainspring::run(async {
///     let (front, back) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
///     let mut client = TcpStream::connect(front.local_addr()?).await?;
///     let (mut from_client, _) = front.accept().await?;
///     let mut to_server = TcpStream::connect(back.local_addr()?).await?;
///     let (mut server, _) = back.accept().await?;
///     client.write_all(b"question").await?;
///     io::shutdown(&mut client).await?;
///     server.write_all(b"answer").await?;
///     io::shutdown(&mut server).await?;
///     assert_eq!(io::copy_bidirectional(&mut from_client, &mut to_server).await?, (8, 6));
///     std::io::Result::Ok(())
/// })??;
/// # std::io::Result::Ok(())
/// ```
pub async fn copy_bidirectional<A, B>(one: &mut A, other: &mut B) -> io::Result<(u64, u64)>
where
    A: Read + Write + HalfClose + ?Sized,
    B: Read + Write + HalfClose + ?Sized,
{
    relay(one, other, None, None).await
}

/// As [`copy_bidirectional`], with buffers of `one_to_other` and `other_to_one` bytes, at least 1 and at most 1 GiB,
/// each of which is made at the first read of its direction and kept to the end.
///
/// # Errors
///
/// Those of `copy_bidirectional`.
///
/// # Cancel safety
///
/// As `copy_bidirectional`.
pub async fn copy_bidirectional_with_sizes<A, B>(
    one: &mut A,
    other: &mut B,
    one_to_other: usize,
    other_to_one: usize,
) -> io::Result<(u64, u64)>
where
    A: Read + Write + HalfClose + ?Sized,
    B: Read + Write + HalfClose + ?Sized,
{
    relay(one, other, Some(one_to_other), Some(other_to_one)).await
}

async fn relay<A, B>(
    one: &mut A,
    other: &mut B,
    one_to_other: Option<usize>,
    other_to_one: Option<usize>,
) -> io::Result<(u64, u64)>
where
    A: Read + Write + HalfClose + ?Sized,
    B: Read + Write + HalfClose + ?Sized,
{
    let (mut there, mut back) = (OneWay::new(one_to_other), OneWay::new(other_to_one));
    let mut back_first = false;
    poll_fn(|cx| {
        back_first = !back_first;
        if back_first {
            back.poll(cx, other, one)?;
        }
        there.poll(cx, one, other)?;
        if !back_first {
            back.poll(cx, other, one)?;
        }
        match (&there.state, &back.state) {
            (&State::Done(there), &State::Done(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// One direction, to the end-of-file and its passing on.
struct OneWay {
    pump: Pump,
    state: State,
}

enum State {
    /// The reader has not ended.
    Copying,
    /// All is written, so many bytes; the end-of-file is to be passed on.
    Closing(u64),
    /// That is done.
    Done(u64),
}

impl OneWay {
    fn new(size: Option<usize>) -> Self {
        Self { pump: Pump::new(size), state: State::Copying }
    }

    /// Goes on as far as it can; an error ends it.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> io::Result<()>
    where
        R: Read + ?Sized,
        W: Write + HalfClose + ?Sized,
    {
        match self.step(cx, reader, writer) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn step<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<io::Result<()>>
    where
        R: Read + ?Sized,
        W: Write + HalfClose + ?Sized,
    {
        if let State::Copying = self.state {
            self.state = State::Closing(ready!(self.pump.poll(cx, reader, writer))?);
        }
        if let State::Closing(copied) = self.state {
            ready!(poll_shutdown(self.pump.owner(), cx, writer))?;
            self.state = State::Done(copied);
        }
        Poll::Ready(Ok(()))
    }
}
