//! The error of a send that did not wait.
//!
//! Returned by [`Sender::try_send`](super::Sender::try_send). Either the queue has no room now, or the receiver is gone
//! for good; in both cases the value comes back.
//!
//! The trade-off: it does not convert into `io::Error`, although `Full` is what `WouldBlock` means. A `?` in a tick
//! would then drop the value and call it "not yet", and the value would be lost in silence. A tick keeps the value and
//! tries again instead.
use std::error::Error;
use std::fmt;

/// Why a value was not sent.
///
/// Complete: a queue is full or it is closed.
///
/// ```
/// use mainspring::channel::mpsc::{self, TrySendError};
///
/// let (sender, receiver) = mpsc::bounded(1);
/// sender.try_send(1).unwrap();
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// drop(receiver);
/// assert_eq!(sender.try_send(3).unwrap_err().into_inner(), 3);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// Not yet: the queue is full, or the budget of the running task is spent. In a tick the task runs again when it is
    /// worth another try.
    Full(T),
    /// Never: the receiver was closed or dropped.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// The value that was not sent.
    ///
    /// ```
    /// use mainspring::channel::mpsc::TrySendError;
    ///
    /// assert_eq!(TrySendError::Full("value").into_inner(), "value");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Full(_) => "Full",
            Self::Closed(_) => "Closed",
        };
        f.debug_tuple(name).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "cannot send into a channel that is full",
            Self::Closed(_) => "cannot send into a channel whose receiver is gone",
        })
    }
}

impl<T> Error for TrySendError<T> {}
