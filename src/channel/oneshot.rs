//! One value, from one sender to one receiver.
//!
//! Used for the answer to a request: the task that asks keeps the [`Receiver`], which is a future, and hands the
//! [`Sender`] to the task, thread or reactor that answers.
//!
//! Guarantees: a value that `send` accepted is received, or dropped with the receiver; a sender that is dropped
//! completes the receiver with [`Closed`]; a receiver that is gone gives the value back to the sender. Wakers are
//! called and values dropped with no lock held.
//!
//! The trade-off: a lock around five fields, in one allocation. An atomic state machine saves some nanoseconds and
//! needs unsafe code for the value and both wakers; that class of code has had use-after-free bugs in mature crates.
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::wait::{Wakers, poll_locked, wake};
use super::{AnyThread, Closed, Reach};
use crate::inside::Inside;
use crate::locks::Lock;
use crate::scope;

/// Makes a channel for one value.
///
/// Allocates once. Both ends are `Send` if `T` is, and neither needs a reactor.
///
/// ```
/// use mainspring::channel::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// std::thread::spawn(move || sender.send(6 * 7));
/// assert_eq!(futures::executor::block_on(receiver), Ok(42));
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    make()
}

pub(super) fn make<T, R: Reach>() -> (Sender<T, R>, Receiver<T, R>) {
    let shared = R::point(
        R::Lock::new(State { value: None, sender_gone: false, receiver_closed: false, receiver: None, sender: None }),
        Inside,
    );
    let sender = Sender { shared: Some(shared.clone()) };
    (sender, Receiver { shared, done: false })
}

/// What both ends share.
struct State<T> {
    /// Written by `send`, taken by the receiver.
    value: Option<T>,
    /// Set by `send` and by the sender's drop; from then on no value comes.
    sender_gone: bool,
    /// Set by `close` and by the receiver's drop; from then on no value is accepted.
    receiver_closed: bool,
    /// Waits for a value. Written by the receiver, taken by the sender.
    receiver: Option<Waker>,
    /// Waits for the receiver to close. Written by `closed`, taken by the receiver.
    sender: Option<Waker>,
}

/// The end that sends the value.
///
/// Dropping it without [`send`](Self::send) completes the receiver with [`Closed`]. A `Sender<T>` is `Send` if `T` is;
/// one of [`local`](crate::channel::local) is not, and takes no lock.
pub struct Sender<T, R: Reach = AnyThread> {
    /// `None` once `send` has taken it, so that the drop afterwards has nothing to do.
    shared: Option<R::Pointer<R::Lock<State<T>>>>,
}

impl<T, R: Reach> Sender<T, R> {
    /// Sends the value and wakes the receiver. Never waits.
    ///
    /// `Ok` means that the receiver still wanted the value, not that it has taken it.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was closed or dropped.
    ///
    /// ```
    /// use mainspring::channel::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send("unwanted"), Err("unwanted"));
    /// ```
    pub fn send(mut self, value: T) -> Result<(), T> {
        let Some(shared) = self.shared.take() else {
            return Err(value);
        };
        let mut state = shared.lock();
        // The sender's own waker goes too: nobody is left to wait with it. Dropped after the lock, like `receiver`.
        let own = state.sender.take();
        state.sender_gone = true;
        if state.receiver_closed {
            drop(state);
            drop(own);
            return Err(value);
        }
        state.value = Some(value);
        let receiver = state.receiver.take();
        drop(state);
        // Before the receiver runs, which then has the state for itself.
        drop(shared);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    /// Whether the receiver was closed or dropped, so that [`send`](Self::send) would give the value back.
    ///
    /// A plain question: it records no interest. To wait for it, use [`closed`](Self::closed).
    ///
    /// ```
    /// let (sender, mut receiver) = mainspring::channel::oneshot::channel::<()>();
    /// assert!(!sender.is_closed());
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.lock().receiver_closed)
    }

    /// Waits until the receiver is closed or dropped: nobody wants the value any more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a dropped future leaves no waker behind and changes nothing.
    ///
    /// ```
    /// let (mut sender, receiver) = mainspring::channel::oneshot::channel::<()>();
    /// drop(receiver);
    /// futures::executor::block_on(sender.closed());
    /// ```
    pub fn closed(&mut self) -> impl Future<Output = ()> {
        Closing(self)
    }

    /// [`closed`](Self::closed) for hand-written futures; at most one waker waits, the last one given.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let (mut sender, receiver) = mainspring::channel::oneshot::channel::<()>();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Pending);
    /// drop(receiver);
    /// assert_eq!(sender.poll_closed(&mut cx), Poll::Ready(()));
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(scope::poll_admit(cx));
        if let Some(shared) = &self.shared {
            ready!(poll_locked(&**shared, Some(cx.waker()), |state| {
                if state.receiver_closed { Ok(()) } else { Err(&mut state.sender) }
            }));
        }
        scope::spend();
        Poll::Ready(())
    }
}

impl<T, R: Reach> Drop for Sender<T, R> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else {
            return;
        };
        let mut state = shared.lock();
        state.sender_gone = true;
        let own = state.sender.take();
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            wake(receiver);
        }
        drop(own);
    }
}

impl<T, R: Reach> fmt::Debug for Sender<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("closed", &self.is_closed()).finish()
    }
}

/// The future of [`Sender::closed`].
struct Closing<'a, T, R: Reach>(&'a mut Sender<T, R>);

impl<T, R: Reach> Future for Closing<'_, T, R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_closed(cx)
    }
}

impl<T, R: Reach> Drop for Closing<'_, T, R> {
    fn drop(&mut self) {
        let Some(shared) = &self.0.shared else { return };
        // A statement of its own: the guard is gone before the waker is dropped.
        let waker = shared.lock().sender.take();
        drop(waker);
    }
}

/// The end that receives the value: a future.
///
/// It resolves to the value, or to [`Closed`] if the sender was dropped without one. Polled again after that, it
/// answers [`Closed`]. Dropping it drops a value that was sent and not received.
///
/// # Cancel safety
///
/// `&mut receiver` can be awaited, dropped and awaited again: the value stays in the channel until it is returned.
pub struct Receiver<T, R: Reach = AnyThread> {
    /// The channel.
    shared: R::Pointer<R::Lock<State<T>>>,
    /// Set once the receiver has got its last answer: nothing is left to close or to drop.
    done: bool,
}

impl<T, R: Reach> Receiver<T, R> {
    /// Takes the value if it is there.
    ///
    /// `Ok(None)` means "not yet". Inside a tick the task then runs again when the value has been sent or the sender is
    /// gone; outside nothing is recorded.
    ///
    /// # Errors
    ///
    /// [`Closed`] if no value is there and none will come.
    ///
    /// ```
    /// let (sender, mut receiver) = mainspring::channel::oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Ok(None));
    /// sender.send(7).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(Some(7)));
    /// ```
    pub fn try_recv(&mut self) -> Result<Option<T>, Closed> {
        // Progress once, so that a tick which asks again comes to rest.
        if self.done {
            return Err(Closed);
        }
        scope::attempt(|waker| self.receive(waker)).transpose()
    }

    /// Refuses a value that has not been sent yet, and wakes a sender that waits in [`Sender::closed`].
    ///
    /// A value that was sent before can still be received. Closing twice is the same as closing once. A tick that waits
    /// for the value is woken as well, so that it sees the end.
    ///
    /// ```
    /// use mainspring::channel::{Closed, oneshot};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(1), Err(1));
    /// assert_eq!(receiver.try_recv(), Err(Closed));
    /// ```
    pub fn close(&mut self) {
        let mut state = self.shared.lock();
        state.receiver_closed = true;
        let waiting = Wakers { one: state.sender.take(), rest: state.receiver.take().into_iter().collect() };
        drop(state);
        waiting.wake();
    }

    /// The value, the end, or "not yet" with `waker` left in the channel.
    fn receive(&mut self, waker: Option<&Waker>) -> Poll<Result<T, Closed>> {
        // The sender has gone: nobody is left to lock out.
        if let Some(state) = R::only(&mut self.shared, Inside) {
            self.done = true;
            return Poll::Ready(state.get_mut().value.take().ok_or(Closed));
        }
        let received = poll_locked(&*self.shared, waker, |state| match state.value.take() {
            Some(value) => Ok(Ok(value)),
            None if state.sender_gone || state.receiver_closed => Ok(Err(Closed)),
            None => Err(&mut state.receiver),
        });
        // After `close` a sender may still exist, and has been told by `close` itself.
        self.done |= received.is_ready();
        received
    }
}

impl<T, R: Reach> Future for Receiver<T, R> {
    type Output = Result<T, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(scope::poll_admit(cx));
        let received = ready!(self.receive(Some(cx.waker())));
        scope::spend();
        Poll::Ready(received)
    }
}

impl<T, R: Reach> Drop for Receiver<T, R> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let mut state = self.shared.lock();
        state.receiver_closed = true;
        let sender = state.sender.take();
        // Both are dropped after the lock: a value or a waker may use this channel in its drop.
        let unused = (state.value.take(), state.receiver.take());
        drop(state);
        if let Some(sender) = sender {
            wake(sender);
        }
        drop(unused);
    }
}

impl<T, R: Reach> fmt::Debug for Receiver<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("done", &self.done).finish_non_exhaustive()
    }
}
