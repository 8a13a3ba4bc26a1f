//! The error of a send that waited, or would have, and can never succeed.
//!
//! Returned by [`Sender::send`](super::Sender::send), which waits for room and so can fail for one reason only: the
//! receiver is gone. It carries the value back, so that nothing is lost.
//!
//! The trade-off: the error is as large as the value. Dropping the value instead would make the error small, and would
//! leave a caller that wants to send it elsewhere with nothing.
use std::error::Error;
use std::fmt;
use std::io;

/// The receiver was closed or dropped; the value comes back.
///
/// Converts into an [`io::Error`] of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe), which drops the value.
///
/// ```
/// use mainspring::channel::mpsc;
///
/// let (sender, receiver) = mpsc::bounded(1);
/// drop(receiver);
/// let error = futures::executor::block_on(sender.send(5)).unwrap_err();
/// assert_eq!(error.0, 5);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(
    /// The value that was not sent.
    pub T,
);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot send into a channel whose receiver is gone")
    }
}

impl<T> Error for SendError<T> {}

impl<T> From<SendError<T>> for io::Error {
    fn from(error: SendError<T>) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error.to_string())
    }
}
