//! A queue from many senders to one receiver.
//!
//! Used to hand work or events to a task. [`bounded`] makes senders wait when the queue is full, [`unbounded`] never
//! does; the ends are the same types, so code that is given a [`Sender`] does not care which it is.
//!
//! Guarantees: values of one sender arrive in the order in which they were sent; a queue holds at most its bound;
//! senders that wait in [`Sender::send`] are served in the order in which they began to wait, and a place handed to one
//! that was cancelled goes to the next; the receiver gets everything that was accepted, then the end. The queue starts
//! without memory, grows with what it holds and gives the memory back when it has been emptied.
//!
//! The trade-off: a place is handed to the first waiting `send` before it runs again, so a latecomer cannot overtake
//! it, and a `send` that is kept without being polled keeps its place. A tick gets no such place: it is woken when
//! there is room and tries again, because a tick may decide not to send after all and would then block everybody.
mod receiver;
mod send_error;
mod sender;
mod shared;
mod try_send_error;

use super::Reach;
use crate::inside::Inside;

pub use receiver::Receiver;
pub use send_error::SendError;
pub use sender::Sender;
pub use try_send_error::TrySendError;

use shared::Shared;

/// Makes a queue that holds at most `bound` values.
///
/// `bound` counts values, not bytes, and includes places that were handed to waiting senders. No memory is reserved in
/// advance.
///
/// # Panics
///
/// Panics if `bound` is zero: such a queue could hold nothing.
///
/// ```
/// use mainspring::channel::mpsc;
///
/// let (sender, mut receiver) = mpsc::bounded(1);
/// sender.try_send("first").unwrap();
/// assert!(sender.try_send("second").is_err());
/// assert_eq!(receiver.try_recv(), Ok(Some("first")));
/// assert!(sender.try_send("second").is_ok());
/// ```
#[must_use]
pub fn bounded<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
    channel(Some(checked(bound)))
}

/// Makes a queue without a bound: sending never waits.
///
/// The queue grows as long as senders are faster than the receiver. Where a peer decides how much is sent, use
/// [`bounded`].
///
/// ```
/// use mainspring::channel::mpsc;
///
/// let (sender, mut receiver) = mpsc::unbounded();
/// for n in 0..1000 {
///     sender.try_send(n).unwrap();
/// }
/// assert_eq!(receiver.len(), 1000);
/// assert_eq!(receiver.try_recv(), Ok(Some(0)));
/// ```
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(None)
}

/// A bound, which is not zero.
pub(super) const fn checked(bound: usize) -> usize {
    assert!(bound > 0, "the bound of a channel must be at least 1, not 0");
    bound
}

pub(super) fn channel<T, R: Reach>(bound: Option<usize>) -> (Sender<T, R>, Receiver<T, R>) {
    let shared = R::point(Shared::new(bound), Inside);
    (Sender::first(shared.clone()), Receiver::new(shared))
}
