//! The receiving end of a queue.
//!
//! Called by the one task, thread or tick that consumes the values; it is a [`Stream`] as well.
//!
//! Guarantees: values come in the order in which they were accepted; the end comes after the last of them, once all
//! senders are gone or the receiver has closed itself. A `recv` that is dropped has taken nothing.
//!
//! The trade-off: there is one waiter, the last waker given, because every operation takes `&mut self`. A list would
//! let several tasks share a receiver, and is what makes channels for many consumers slower for the common single one.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::shared::Shared;
use crate::channel::{AnyThread, Closed, Reach};
use crate::scope;

/// The end that receives values, also as a [`Stream`].
///
/// Dropping it drops the values that the queue holds, and gives waiting senders theirs back. A `Receiver<T>` is `Send`
/// if `T` is; one of [`local`](crate::channel::local) is not, and takes no lock.
pub struct Receiver<T, R: Reach = AnyThread> {
    /// The queue.
    shared: R::Pointer<Shared<T, R>>,
    /// Set once a try has been told of the end, which is progress once.
    told: bool,
}

impl<T, R: Reach> Receiver<T, R> {
    pub(super) const fn new(shared: R::Pointer<Shared<T, R>>) -> Self {
        Self { shared, told: false }
    }

    /// Takes the next value if there is one.
    ///
    /// `Ok(None)` means "not yet". Inside a tick the task then runs again when there is a value or the end; outside
    /// nothing is recorded. The end is progress once, so a task that goes on to ask, and waits for other things,
    /// sleeps.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the queue is empty and nothing will come: all senders are gone, or [`close`](Self::close) was
    /// called.
    ///
    /// ```
    /// use mainspring::channel::{Closed, mpsc};
    ///
    /// let (sender, mut receiver) = mpsc::bounded(4);
    /// assert_eq!(receiver.try_recv(), Ok(None));
    /// sender.try_send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(Some(1)));
    /// assert_eq!(receiver.try_recv(), Err(Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<Option<T>, Closed> {
        if self.told {
            return Err(Closed);
        }
        let Some(received) = scope::attempt(|waker| self.shared.receive(waker)) else { return Ok(None) };
        self.told = received.is_none();
        received.map(Some).ok_or(Closed)
    }

    /// Waits for the next value; `None` is the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future has taken no value and leaves no waker behind.
    ///
    /// ```
    /// use mainspring::channel::mpsc;
    ///
    /// let (sender, mut receiver) = mpsc::unbounded();
    /// std::thread::spawn(move || sender.try_send("hello"));
    /// futures::executor::block_on(async {
    ///     assert_eq!(receiver.recv().await, Some("hello"));
    ///     assert_eq!(receiver.recv().await, None);
    /// });
    /// ```
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        Receiving { receiver: self, waits: false }
    }

    /// [`recv`](Self::recv) for hand-written futures; at most one waker waits, the last one given.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (sender, mut receiver) = mainspring::channel::mpsc::unbounded();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Pending);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(Some(1)));
    /// ```
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(scope::poll_admit(cx));
        let received = ready!(self.shared.receive(Some(cx.waker())));
        scope::spend();
        Poll::Ready(received)
    }

    /// Accepts nothing more: waiting senders get their values back, and those in [`closed`] wake.
    ///
    /// What the queue holds can still be received, and then the end. A place handed to a waiting sender that has not
    /// used it is withdrawn. Closing twice is the same as closing once.
    ///
    /// [`closed`]: super::Sender::closed
    ///
    /// ```
    /// use mainspring::channel::mpsc::{self, TrySendError};
    ///
    /// let (sender, mut receiver) = mpsc::bounded(4);
    /// sender.try_send(1).unwrap();
    /// receiver.close();
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    /// assert_eq!(receiver.try_recv(), Ok(Some(1)));
    /// ```
    pub fn close(&mut self) {
        self.shared.close(false);
    }

    /// How many values can be received at once.
    ///
    /// ```
    /// let (sender, receiver) = mainspring::channel::mpsc::unbounded();
    /// sender.try_send('a').unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether no value can be received at once.
    ///
    /// ```
    /// let (_sender, receiver) = mainspring::channel::mpsc::unbounded::<u8>();
    /// assert!(receiver.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T, R: Reach> Stream for Receiver<T, R> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl<T, R: Reach> Drop for Receiver<T, R> {
    fn drop(&mut self) {
        self.shared.close(true);
    }
}

impl<T, R: Reach> fmt::Debug for Receiver<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`Receiver::recv`].
struct Receiving<'a, T, R: Reach> {
    /// The end that receives.
    receiver: &'a mut Receiver<T, R>,
    /// Set while a waker may stand in the queue for this future.
    waits: bool,
}

impl<T, R: Reach> Future for Receiving<'_, T, R> {
    type Output = Option<T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        // Set before the poll: a waker whose clone panics leaves nothing behind, one that was stored is remembered.
        this.waits = true;
        let received = ready!(this.receiver.poll_recv(cx));
        this.waits = false;
        Poll::Ready(received)
    }
}

impl<T, R: Reach> Drop for Receiving<'_, T, R> {
    fn drop(&mut self) {
        if self.waits {
            self.receiver.shared.cancel_receive();
        }
    }
}
