//! A stream that is being connected: what [`Connecting`](super::Connecting) and
//! [`UnixConnecting`](super::UnixConnecting) share.
//!
//! It holds the stream until it is known how the attempt ended, and waits, under an owner id of its own, for writing:
//! that is where a selector tells of it. What there is to ask then is the caller's: `outcome` is called in each try,
//! and says `WouldBlock` for as long as nothing is known. The stream is given away once; an error closes it.
//!
//! A boxed future was turned down, because ticks need the try; and an enum of both kinds, because the one has an
//! address and a pause to keep, and the other nothing.

use std::io;
use std::task::{Context, Poll};

use super::stream::Stream;
use crate::direction::Direction;
use crate::sentence::sentence;

/// An attempt that goes on.
pub(super) struct Attempt {
    /// The stream; none after it was returned, or has failed.
    stream: Option<Stream>,
    /// The owner id of the wait; 0 before it.
    owner: u64,
}

impl Attempt {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), owner: 0 }
    }

    /// A try in the style of a tick.
    pub(super) fn try_connect(
        &mut self,
        outcome: impl FnOnce(&Stream) -> io::Result<()>,
    ) -> io::Result<Option<Stream>> {
        let stream = self.stream.as_ref().ok_or_else(finished)?;
        match stream.io.source().try_io(Direction::Write, || outcome(stream)) {
            Ok(None) => Ok(None),
            Ok(Some(())) => Ok(self.stream.take()),
            Err(error) => {
                self.stream = None;
                Err(error)
            }
        }
    }

    /// A try of the future.
    pub(super) fn poll_connect(
        &mut self,
        cx: &Context<'_>,
        outcome: impl FnOnce(&Stream) -> io::Result<()>,
    ) -> Poll<io::Result<Stream>> {
        let Some(stream) = &self.stream else { return Poll::Ready(Err(finished())) };
        let polled = stream.io.source().poll_io(&mut self.owner, cx, Direction::Write, || outcome(stream));
        let result = std::task::ready!(polled);
        let stream = self.stream.take().ok_or_else(finished);
        Poll::Ready(result.and(stream))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            stream.io.source().end_own(&mut self.owner, Direction::Write);
        }
    }
}

#[cold]
fn finished() -> io::Error {
    sentence(io::ErrorKind::Other, "a connecting stream was used again after it had ended")
}
