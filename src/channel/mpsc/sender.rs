//! The sending end of a queue.
//!
//! Called by whatever produces values: any number of clones, in tasks, threads and reactors. `try_send` answers at once
//! and records the interest of a tick, `send` waits in line, and both serve bounded and unbounded queues.
//!
//! Guarantees: a value is either accepted, handed back in the error, or dropped with a cancelled `send`; never two of
//! these. A `send` that is dropped leaves the line and gives up its place.
//!
//! The trade-off: one `Sender` type for both kinds of queue, whose `send` on an unbounded queue is a future that never
//! waits. Two types would spell that out, and would double every function that is generic over neither.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::shared::{Shared, Ticket};
use super::{SendError, TrySendError};
use crate::channel::{AnyThread, Reach};
use crate::scope;

/// The end that sends values; clones send into the same queue.
///
/// The receiver gets the end once the last clone has been dropped and the queue is empty. A `Sender<T>` is `Send` if
/// `T` is; one of [`local`](crate::channel::local) is not, and takes no lock.
pub struct Sender<T, R: Reach = AnyThread> {
    /// The queue, in whose count of senders this one is included.
    shared: R::Pointer<Shared<T, R>>,
}

impl<T, R: Reach> Sender<T, R> {
    /// The sender that a new queue counts already.
    pub(super) const fn first(shared: R::Pointer<Shared<T, R>>) -> Self {
        Self { shared }
    }

    /// Sends the value if there is room now.
    ///
    /// Inside a tick, `Full` also records that the task waits for room, and the task runs again when there is some. No
    /// place is kept for it: senders that wait in [`send`](Self::send) come first.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] if the queue holds its bound, [`TrySendError::Closed`] if the receiver is gone; both give
    /// the value back. An unbounded queue is full only to a task whose budget is spent.
    ///
    /// ```
    /// use mainspring::channel::mpsc::{self, TrySendError};
    ///
    /// let (sender, _receiver) = mpsc::bounded(1);
    /// assert_eq!(sender.try_send('a'), Ok(()));
    /// assert_eq!(sender.try_send('b'), Err(TrySendError::Full('b')));
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if !scope::admit() {
            return Err(TrySendError::Full(value));
        }
        let mut sent = self.shared.try_send(value, None);
        if let Err(TrySendError::Full(value)) = sent {
            let mut waker = None;
            scope::blocked(|current| waker = Some(current.clone()));
            sent = match waker {
                Some(waker) => self.shared.try_send(value, Some(&waker)),
                None => Err(TrySendError::Full(value)),
            };
        }
        if !matches!(sent, Err(TrySendError::Full(_))) {
            scope::progress();
        }
        sent
    }

    /// Sends the value, waiting for room behind all who began to wait before.
    ///
    /// On an unbounded queue the future is ready when it is first polled.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value if the receiver was closed or dropped, also while waiting.
    ///
    /// # Panics
    ///
    /// The future panics if it is polled after it was ready.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe towards the queue: a future that is dropped before it was ready has sent nothing, and its place goes
    /// to the next in line. The value is dropped with the future and given back to nobody; to keep it, use
    /// [`try_send`](Self::try_send).
    ///
    /// ```
    /// use mainspring::channel::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::bounded(1);
    /// futures::executor::block_on(async {
    ///     sender.send(1).await.unwrap();
    ///     assert_eq!(receiver.recv().await, Some(1));
    /// });
    /// ```
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        Sending { shared: &self.shared, value: Some(value), ticket: None }
    }

    /// Whether the receiver was closed or dropped.
    ///
    /// A plain question: it records no interest. To wait for it, use [`closed`](Self::closed).
    ///
    /// ```
    /// let (sender, receiver) = mainspring::channel::mpsc::unbounded::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Waits until the receiver is closed or dropped. Any number of these may wait.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no waker behind and changes nothing.
    ///
    /// ```
    /// let (sender, receiver) = mainspring::channel::mpsc::unbounded::<u8>();
    /// drop(receiver);
    /// futures::executor::block_on(sender.closed());
    /// ```
    pub fn closed(&self) -> impl Future<Output = ()> {
        Closing { shared: &self.shared, ticket: None }
    }

    /// The most values the queue may hold; `None` is no bound.
    ///
    /// ```
    /// use mainspring::channel::mpsc;
    ///
    /// assert_eq!(mpsc::bounded::<u8>(8).0.capacity(), Some(8));
    /// assert_eq!(mpsc::unbounded::<u8>().0.capacity(), None);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.shared.bound()
    }

    /// How many values were accepted and not received yet.
    ///
    /// ```
    /// let (sender, _receiver) = mainspring::channel::mpsc::unbounded();
    /// sender.try_send('a').unwrap();
    /// assert_eq!(sender.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether every accepted value has been received.
    ///
    /// ```
    /// let (sender, _receiver) = mainspring::channel::mpsc::unbounded::<u8>();
    /// assert!(sender.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes the queue holds for values, used or not.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn memory(&self) -> usize {
        self.shared.memory()
    }
}

impl<T, R: Reach> Clone for Sender<T, R> {
    fn clone(&self) -> Self {
        self.shared.add_sender();
        Self { shared: self.shared.clone() }
    }
}

impl<T, R: Reach> Drop for Sender<T, R> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T, R: Reach> fmt::Debug for Sender<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("capacity", &self.capacity()).field("len", &self.len()).finish()
    }
}

/// The future of [`Sender::send`].
struct Sending<'a, T, R: Reach> {
    /// The queue.
    shared: &'a Shared<T, R>,
    /// The value; `None` once the future was ready.
    value: Option<T>,
    /// The place in line; `None` before the wait and after it.
    ticket: Option<Ticket>,
}

// The value is moved into the queue and never pinned.
impl<T, R: Reach> Unpin for Sending<'_, T, R> {}

impl<T, R: Reach> Future for Sending<'_, T, R> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(this.value.is_some(), "the future of `send` was polled after it was ready");
        ready!(scope::poll_admit(cx));
        let sent = ready!(this.shared.poll_send(&mut this.value, &mut this.ticket, cx.waker()));
        scope::spend();
        Poll::Ready(sent)
    }
}

impl<T, R: Reach> Drop for Sending<'_, T, R> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.cancel_send(ticket);
        }
    }
}

/// The future of [`Sender::closed`].
struct Closing<'a, T, R: Reach> {
    /// The queue.
    shared: &'a Shared<T, R>,
    /// Under which it waits; `None` before the wait and after it.
    ticket: Option<Ticket>,
}

impl<T, R: Reach> Future for Closing<'_, T, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        ready!(scope::poll_admit(cx));
        ready!(this.shared.poll_closed(&mut this.ticket, cx.waker()));
        scope::spend();
        Poll::Ready(())
    }
}

impl<T, R: Reach> Drop for Closing<'_, T, R> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.cancel_closed(ticket);
        }
    }
}
