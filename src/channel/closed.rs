//! The error of a receiver that has nothing left to wait for.
//!
//! Returned by [`oneshot::Receiver`](super::oneshot::Receiver) and by
//! [`mpsc::Receiver::try_recv`](super::mpsc::Receiver::try_recv). It guarantees that no value will come any more:
//! asking again gives the same answer.
//!
//! One type serves both channels, because both mean the same by it. It says nothing about the cause (the sender was
//! dropped, or the receiver closed itself): the receiver knows whether it called `close`. The alternative, an enum of
//! causes, would have to be matched by everybody and be used by nobody.
use std::error::Error;
use std::fmt;
use std::io;

/// The channel is closed and holds no value.
///
/// Converts into an [`io::Error`] of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe), so that `?` works in a tick.
///
/// ```
/// use mainspring::channel::{Closed, oneshot};
///
/// let (sender, mut receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot receive from a channel that is closed and empty")
    }
}

impl Error for Closed {}

impl From<Closed> for io::Error {
    fn from(closed: Closed) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, closed)
    }
}
